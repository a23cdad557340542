"""What is read of a model folder: the right weights, evidence for steps and guidance, nothing hostile."""

from __future__ import annotations

import json
import math
import os
import shutil

import pytest
import torch
from tiny_diffusion import change, requests

from clipsan.errors import CheckpointError, UnsafeFileError
from clipsan.synthesis.diffusion import Options, open_maker
from clipsan.synthesis.diffusion.defaults import sampling_of
from clipsan.synthesis.diffusion.source import open_source
from clipsan.synthesis.staging import staged

UNET, INDEX = "unet/diffusion_pytorch_model.safetensors", "model_index.json"
USUAL = {"num_inference_steps": 50, "guidance_scale": 7.5}


def rename_weights(model, variant="fp16"):
    for path in [*model.glob("*/*.safetensors")]:
        path.rename(path.with_name(path.name.replace(".safetensors", f".{variant}.safetensors")))


def test_weights_stored_in_one_variant_are_found(model):
    rename_weights(model)
    assert set(open_source(model).variants.values()) == {"fp16"}
    assert open_source(model, "fp16").content.keys() == open_source(model).content.keys()
    shutil.copy(model / UNET.replace(".saf", ".fp16.saf"), model / UNET.replace(".saf", ".ema.saf"))
    with pytest.raises(CheckpointError, match="weights in ema, fp16 only; name one"):
        open_source(model)


def test_the_variant_asked_for_is_taken_where_there_are_both(model):
    shutil.copy(model / UNET, model / UNET.replace(".saf", ".fp16.saf"))
    assert open_source(model).variants == {}
    assert open_source(model, "fp16").variants == {"unet": "fp16"}
    with pytest.raises(CheckpointError, match="variant bf16"):
        open_source(model, "bf16")


def test_shards_load(model, made):
    from safetensors.torch import load_file, save_file

    state = load_file(model / UNET)
    (model / UNET).unlink()
    keys, table = sorted(state), {}
    for number, some in enumerate((keys[::2], keys[1::2]), 1):
        name = f"diffusion_pytorch_model-0000{number}-of-00002.safetensors"
        save_file({key: state[key] for key in some}, model / "unet" / name, {"format": "pt"})
        table |= dict.fromkeys(some, name)
    index = {"metadata": {"total_size": 1}, "weight_map": table}
    (model / f"{UNET}.index.json").write_text(json.dumps(index))
    whole = open_maker(Options(str(made / "sd"), device="cpu", steps=1)).make(requests(1))[0]
    split = open_maker(Options(str(model), device="cpu", steps=1)).make(requests(1))[0]
    assert (whole.pixels == split.pixels).all()


@pytest.mark.parametrize(
    ("name", "changes", "steps", "guidance", "evidence"),
    [
        ("plain", {}, 50, 7.5, "nothing shows a few-step model"),
        ("org-sdxl-turbo", {}, 4, 0.0, 'its name has "turbo"'),
        ("SDXL-Lightning-8step", {}, 8, 0.0, 'its name has "Lightning"'),
        ("turbot-fish", {}, 50, 7.5, "nothing shows"),
        ("plain", {"scheduler": {"_class": "LCMScheduler"}}, 4, 1.0, "LCMScheduler"),
        ("plain", {"unet": {"time_cond_proj_dim": 256}}, 4, 8.0, "latent consistency"),
        (
            "plain",
            {"scheduler": {"_class": "EulerDiscreteScheduler", "timestep_spacing": "trailing"}},
            4,
            0.0,
            "trailing",
        ),
        (
            "plain",
            {"scheduler": {"_class": "EulerDiscreteScheduler", "timestep_spacing": "leading"}},
            50,
            7.5,
            "nothing",
        ),
    ],
)
def test_steps_and_guidance_come_from_evidence(made, tmp_path, name, changes, steps, guidance, evidence):
    model = shutil.copytree(made / "sd", tmp_path / name)
    for part, entries in changes.items():
        file = "scheduler_config.json" if part == "scheduler" else "config.json"
        if class_name := entries.pop("_class", None):
            change(model / INDEX, **{part: ["diffusers", class_name]})
        change(model / part / file, **entries)
    found = sampling_of(open_source(model), USUAL)
    assert (found.steps, found.guidance) == (steps, guidance)
    assert evidence in found.evidence


def test_bounds_of_a_scheduler_may_be_infinite(model):
    """As DPMSolverMultistepScheduler writes them: no JSON, but in many models."""
    change(model / INDEX, scheduler=["diffusers", "DPMSolverMultistepScheduler"])
    change(model / "scheduler/scheduler_config.json", lambda_min_clipped=-math.inf)
    assert open_maker(Options(str(model), device="cpu", steps=1)).make(requests(1))[0] is not None


def test_what_was_settled_is_said(made):
    notes = open_maker(Options(str(made / "turbo"), device="cpu", steps=2)).notes
    assert notes[0] == "turbo: StableDiffusionPipeline, licence mit, fp32"
    assert "steps 2: given; the model's own would be 4" in notes
    assert any(note.startswith("guidance 0: its name has") for note in notes)


class RunsCode:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return (os.system, (f"touch {self.canary}",))


def pickles_only(model, canary):
    (model / UNET).unlink()
    torch.save(RunsCode(canary), model / "unet/diffusion_pytorch_model.bin")


def pickle_named_safetensors(model, canary):
    torch.save(RunsCode(canary), model / UNET)


def custom_pipeline(model, canary):
    (model / "pipeline.py").write_text(f"open({str(canary)!r}, 'w')\nclass Mine: pass\n")
    change(model / INDEX, _class_name=["pipeline", "Mine"])


def custom_component(model, canary):
    (model / "unet" / "mine.py").write_text(f"open({str(canary)!r}, 'w')\nclass Mine: pass\n")
    change(model / INDEX, unet=["mine", "Mine"])


def auto_map(model, canary):
    (model / "text_encoder" / "mine.py").write_text(f"open({str(canary)!r}, 'w')\nclass Mine: pass\n")
    change(model / "text_encoder/config.json", auto_map={"AutoModel": "mine.Mine"})


def shard_outside(model, canary):
    shutil.move(model / UNET, model.parent / "outside.safetensors")
    table = {"weight_map": {"conv_in.weight": "../../outside.safetensors"}}
    (model / f"{UNET}.index.json").write_text(json.dumps(table))


def link_outside(model, canary):
    shutil.move(model / UNET, model.parent / "outside.safetensors")
    (model / UNET).symlink_to(model.parent / "outside.safetensors")


def folder_linked_outside(model, canary):
    shutil.move(model / "unet", model.parent / "unet")
    (model / "unet").symlink_to(model.parent / "unet")


def card_linked_outside(model, canary):
    (model.parent / "private").write_text("---\nlicense: secret\n---\n")
    (model / "README.md").unlink()
    (model / "README.md").symlink_to(model.parent / "private")


def in_index(**entries):
    return lambda model, canary: change(model / INDEX, **entries)


def in_config(part, **entries):
    return lambda model, canary: change(model / part / "config.json", **entries)


def written(name, content):
    return lambda model, canary: (model / name).write_bytes(content)


HOSTILE = {
    "pickles only": (pickles_only, UnsafeFileError, "only as a pickle"),
    "pickle named safetensors": (pickle_named_safetensors, CheckpointError, "safetensors"),
    "half of the weights": (
        lambda model, _: os.truncate(model / UNET, 5000),
        CheckpointError,
        "truncated|claims",
    ),
    "pipeline with code": (custom_pipeline, UnsafeFileError, "code of its own"),
    "pipeline that is none": (
        in_index(_class_name="DiffusionPipeline"),
        CheckpointError,
        "names the pipeline",
    ),
    "pipeline of video": (in_index(_class_name="CogVideoXPipeline"), CheckpointError, "names the pipeline"),
    "part with code": (custom_component, CheckpointError, "not among the classes"),
    "part from the system": (in_index(unet=["os", "system"]), CheckpointError, "not among"),
    "part of another kind": (in_index(unet=["diffusers", "OnnxRuntimeModel"]), CheckpointError, "not among"),
    "part that unpickles": (
        in_index(tokenizer=["transformers", "TransfoXLTokenizer"]),
        CheckpointError,
        "not",
    ),
    "part of three": (
        in_index(unet=["diffusers", "UNet2DConditionModel", "x"]),
        CheckpointError,
        "not among",
    ),
    "part of numbers": (in_index(unet=[1, 2]), CheckpointError, "not among"),
    "part outside": (
        in_index(**{"../unet": ["diffusers", "UNet2DConditionModel"]}),
        UnsafeFileError,
        "no plain folder",
    ),
    "setting that is an object": (in_index(evil={"a": 1}), CheckpointError, "cannot be right"),
    "custom_pipeline": (in_index(custom_pipeline="org/evil"), UnsafeFileError, "code of its own"),
    "auto_map": (auto_map, UnsafeFileError, "auto_map"),
    "kernel of the hub": (
        in_config("text_encoder", _attn_implementation="org/evil@main:run"),
        UnsafeFileError,
        "_attn_implementation",
    ),
    "kernel of the hub, deep down": (
        in_config("text_encoder", a=[[{"b": {"attn_implementation": {"": "org/evil"}}}]]),
        UnsafeFileError,
        "attn_implementation",
    ),
    "quantised": (in_config("unet", quantization_config={"a": 1}), CheckpointError, "quantised"),
    "a billion layers": (in_config("unet", layers_per_block=10**9), CheckpointError, "layers_per_block"),
    "a billion text layers": (
        in_config("text_encoder", num_hidden_layers=10**9),
        CheckpointError,
        "num_hidden",
    ),
    "a billion time steps": (
        lambda model, _: change(model / "scheduler/scheduler_config.json", num_train_timesteps=10**9),
        CheckpointError,
        "num_train_timesteps",
    ),
    "shard outside": (shard_outside, CheckpointError, "where a safetensors file is expected"),
    "link outside": (link_outside, UnsafeFileError, "link out of"),
    "folder linked outside": (folder_linked_outside, UnsafeFileError, "link out of"),
    "card linked outside": (card_linked_outside, UnsafeFileError, "link out of"),
    "index that is a pickle": (written(INDEX, b"\x80\x02cos\nsystem\n."), CheckpointError, "cannot be read"),
    "index that is a list": (written(INDEX, b"[1]"), CheckpointError, "JSON object"),
    "index with NaN": (written(INDEX, b'{"a": NaN}'), CheckpointError, "cannot be read"),
    "config nested deeply": (written("unet/config.json", b'{"a":' * 200_000), CheckpointError, "deeply"),
    "config of 2 MB": (written("unet/config.json", b" " * (2 << 20)), CheckpointError, "too large"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_folders_are_refused_before_anything_is_loaded(model, canary, case, monkeypatch):
    change_it, error, said = HOSTILE[case]
    change_it(model, canary)
    monkeypatch.chdir(model)  # where code of the model could be imported from
    with pytest.raises(error, match=said) as caught:
        open_source(model)
    assert not canary.exists()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_what_lies_beside_the_model_is_not_seen_by_diffusers(model, canary):
    """Pickles, programs, adapters, templates and settings with paths."""
    for part, name in (
        ("unet", "diffusion_pytorch_model.bin"),
        ("text_encoder", "pytorch_model.bin"),
        ("vae", "vae.pt"),
    ):
        torch.save(RunsCode(canary), model / part / name)
    for place in ("pipeline.py", "unet/unet.py", "text_encoder/modeling_mine.py"):
        (model / place).write_text(f"open({str(canary)!r}, 'w')\n")
    (model / "text_encoder/adapter_config.json").write_text('{"base_model_name_or_path": "org/evil"}')
    change(
        model / "tokenizer/tokenizer_config.json",
        vocab_file="/etc/passwd", chat_template="{{ 1 / 0 }}", tokenizer_file="../../x",
        name_or_path="org/evil",
    )  # fmt: skip
    source = open_source(model)
    with staged(source.content) as folder:
        seen = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        settings = json.loads((folder / "tokenizer/tokenizer_config.json").read_text())
    weights = {UNET, "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"}
    configs = {f"{part}/config.json" for part in ("unet", "vae", "text_encoder")}
    words = {f"tokenizer/{name}" for name in ("merges.txt", "tokenizer_config.json", "vocab.json")}
    assert seen == {INDEX, "scheduler/scheduler_config.json", *weights, *configs, *words}
    assert settings.keys() == {"bos_token", "eos_token", "unk_token", "pad_token", "model_max_length"}
    assert not folder.exists()
    assert open_maker(Options(str(model), device="cpu", steps=1)).make(requests(1))[0] is not None
    assert not canary.exists()


def test_a_tokenizer_description_is_tried_within_bounds_first(model):
    from hostile.tokenizer_folders import NESTED, TOKENIZER

    for name in ("vocab.json", "merges.txt"):
        (model / "tokenizer" / name).unlink()
    (model / "tokenizer/tokenizer.json").write_text(json.dumps(TOKENIZER))
    assert "tokenizer/tokenizer.json" in open_source(model).content
    (model / "tokenizer/tokenizer.json").write_text(json.dumps(TOKENIZER | {"normalizer": NESTED}))
    with pytest.raises(CheckpointError, match="cannot be used"):
        open_source(model)


def test_a_wrong_configuration_is_one_sentence(model):
    change(model / "unet/config.json", block_out_channels=[8, 8])
    with pytest.raises(CheckpointError, match=r"diffusers .* cannot build model \(") as caught:
        open_maker(Options(str(model), device="cpu"))
    assert "\n" not in str(caught.value)


def test_tokens_that_the_model_has_no_embedding_for_are_one_sentence(model):
    vocabulary = json.loads((model / "tokenizer/vocab.json").read_text())
    (model / "tokenizer/vocab.json").write_text(json.dumps({k: v + 5000 for k, v in vocabulary.items()}))
    maker = open_maker(Options(str(model), device="cpu", steps=1))
    with pytest.raises(CheckpointError, match=r"cannot make an image by model \(IndexError"):
        maker.make(requests(1))


def test_a_folder_that_is_not_there():
    with pytest.raises(CheckpointError, match="no folder 'nowhere'"):
        open_source("nowhere")
