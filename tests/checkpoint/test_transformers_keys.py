"""The key table against the transformers library itself, both ways, and against broken files."""

from __future__ import annotations

import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer
from tiny_models import make_tiny
from tiny_transformers import (
    KINDS,
    all_of,
    assert_close,
    build,
    embeddings_of_open_clip,
    embeddings_of_transformers,
    make_clip,
    of_file,
    of_state,
    transformers,
)

from clipsan.checkpoint.shards import open_shards
from clipsan.checkpoint.tensors import TensorInfo, Tensors
from clipsan.checkpoint.transformers_clip import (
    from_open_clip,
    is_transformers,
    read_clip_config,
    to_open_clip,
)
from clipsan.errors import CheckpointError, UsageError

FIRST = "vision_model.encoder.layers.0.self_attn"
TEXTS = ["a photo of a dog", "Two RED triangles, upside down", "word " * 30]


def save_safetensors(model, folder):
    model.save_pretrained(folder)
    return of_file(folder / "model.safetensors")


def save_shards(model, folder):
    model.save_pretrained(folder, max_shard_size="100KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    return open_shards(folder / "model.safetensors.index.json", of_file)


def save_torch(model, folder):
    model.config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return of_state(torch.load(folder / "pytorch_model.bin", weights_only=True))


@pytest.mark.parametrize("save", [save_safetensors, save_shards, save_torch], ids=lambda save: save.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_saved_models_give_the_same_embeddings_and_go_back_bit_for_bit(kind, save, tmp_path):
    model = make_clip(kind)
    found = save(model, tmp_path)
    original = all_of(found)
    tensors, _ = to_open_clip(found, "model.safetensors")
    assert {info.dtype for info in tensors.infos.values()} == {KINDS[kind][3]}
    assert all(tuple(t.shape) == tensors.infos[key].shape for key, t in all_of(tensors).items())
    ours = build(read_clip_config(tmp_path), tensors)
    size = model.config.vision_config.image_size
    pixels, tokens = torch.rand(2, 3, size, size), SimpleTokenizer(context_length=12)(TEXTS)
    assert_close(
        embeddings_of_open_clip(ours, pixels, tokens), embeddings_of_transformers(model, pixels, tokens)
    )
    back = from_open_clip(all_of(tensors))
    assert back.keys() == original.keys()
    assert all(torch.equal(back[key], original[key]) for key in back)


@pytest.mark.parametrize("old_names", [False, True])
@pytest.mark.parametrize(
    ("part", "prefix"),
    [
        ("CLIPVisionModel", "vision_model."),
        ("CLIPVisionModelWithProjection", "vision_model."),
        ("CLIPTextModel", "text_model."),
        ("CLIPTextModelWithProjection", "text_model."),
    ],
)
def test_single_towers(part, prefix, old_names, tmp_path):
    make_clip().save_pretrained(tmp_path / "whole")
    getattr(transformers, part).from_pretrained(tmp_path / "whole").save_pretrained(tmp_path / "part")
    whole, _ = to_open_clip(of_file(tmp_path / "whole" / "model.safetensors"), "whole")
    found = of_file(tmp_path / "part" / "model.safetensors")
    if old_names:  # before version 5 a tower's own name stood in front of each of its keys
        old = {k if k.startswith((prefix, "visual_p", "text_p")) else prefix + k: k for k in found.infos}
        found = found.renamed(old)
    assert is_transformers(found.infos)
    converted, _ = to_open_clip(found, "part")
    if prefix == "vision_model.":
        expected = {key for key in whole.infos if key.startswith("visual.")} - {"visual.proj"}
    else:
        expected = {k for k in whole.infos if not k.startswith("visual.")} - {
            "text_projection",
            "logit_scale",
        }
    projection = {"vision_model.": "visual.proj", "text_model.": "text_projection"}[prefix]
    assert set(converted.infos) == expected | ({projection} if "Projection" in part else set())
    assert all(torch.equal(converted.read(key), whole.read(key)) for key in converted.infos)


def test_recognition():
    assert is_transformers(make_clip().state_dict())
    assert not is_transformers(make_tiny("vit").state)
    bert = ["embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.query.weight"]
    assert not is_transformers(bert)


def test_numbers_are_read_one_by_one_and_only_when_asked():
    state, asked = make_clip().state_dict(), []

    def read(key):
        asked.append(key)
        return state[key]

    tensors, _ = to_open_clip(Tensors(of_state(state).infos, read), "file")
    assert asked == []
    tensors.read("visual.transformer.resblocks.0.attn.in_proj_bias")
    assert asked == [f"{FIRST}.{part}_proj.bias" for part in "qkv"]
    tensors.read("text_projection")
    assert asked[3:] == ["text_projection.weight"]


def test_position_ids_are_dropped_and_said():
    state = make_clip().state_dict()
    state["vision_model.embeddings.position_ids"] = torch.arange(5)[None]
    state["text_model.embeddings.position_ids"] = torch.arange(12)[None]
    tensors, evidence = to_open_clip(of_state(state), "file")
    assert not any("position_ids" in key for key in tensors.infos)
    assert "position_ids of 2 towers: dropped, they only count places" in evidence
    assert to_open_clip(of_state(make_clip().state_dict()), "file")[1] == (
        "query, key and value: joined into 8 tensors",
    )


def test_mixed_dtypes_are_joined_in_the_widest():
    state = make_clip().state_dict()
    query, key, value = (f"{FIRST}.{part}_proj.weight" for part in "qkv")
    state[query], state[key] = state[query].half(), state[key].bfloat16()
    joined = to_open_clip(of_state(state), "file")[0]
    name = "visual.transformer.resblocks.0.attn.in_proj_weight"
    assert joined.infos[name].dtype == torch.float32
    assert torch.equal(joined.read(name), torch.cat([state[k].float() for k in (query, key, value)]))
    state[value] = state[value].half()
    assert to_open_clip(of_state(state), "file")[0].infos[name].dtype == torch.float32
    state[key] = state[key].half()
    assert to_open_clip(of_state(state), "file")[0].infos[name].dtype == torch.float16
    state[key] = state[key].to(torch.int8)
    with pytest.raises(CheckpointError, match=r"dtypes of .*q_proj.weight float16, .*k_proj.weight int8"):
        to_open_clip(of_state(state), "file")


@pytest.mark.parametrize("part", ["q_proj.weight", "k_proj.bias", "v_proj.weight"])
def test_missing_part_of_an_attention_is_named_as_in_the_file(part):
    state = make_clip().state_dict()
    del state[f"{FIRST}.{part}"]
    with pytest.raises(CheckpointError, match=rf"^file lacks {FIRST}.{part}; get it again"):
        to_open_clip(of_state(state), "file")
    bare = {
        key.removeprefix("vision_model."): t for key, t in state.items() if key.startswith("vision_model.")
    }
    with pytest.raises(CheckpointError, match=rf"^file lacks encoder\.layers\.0\.self_attn\.{part};"):
        to_open_clip(of_state(bare), "file")


def test_missing_attention_is_named_as_in_the_file():
    state = {key: t for key, t in make_clip().state_dict().items() if not key.startswith(FIRST)}
    with pytest.raises(CheckpointError, match=rf"lacks {FIRST}.k_proj.bias, .*{FIRST}.v_proj.weight; get"):
        to_open_clip(of_state(state), "file")


@pytest.mark.parametrize("shape", [(31, 32), (32,), (), (0, 32)])
def test_parts_of_different_shapes(shape):
    infos = dict(of_state(make_clip().state_dict()).infos)
    infos[f"{FIRST}.k_proj.weight"] = TensorInfo(shape, torch.float32)
    with pytest.raises(CheckpointError, match=r"k_proj\.weight \[.*\], .* do not fit each other"):
        to_open_clip(Tensors(infos, {}.__getitem__), "file")


def test_empty_parts():
    infos = dict(of_state(make_clip().state_dict()).infos)
    infos |= {f"{FIRST}.{part}_proj.weight": TensorInfo((0, 32), torch.float32) for part in "qkv"}
    with pytest.raises(CheckpointError, match="do not fit each other"):
        to_open_clip(Tensors(infos, {}.__getitem__), "file")


def test_unknown_keys_keep_their_name_and_cannot_pass_for_others():
    state = make_clip().state_dict()
    del state["visual_projection.weight"]
    extra = ["vision_model.extra.weight", "visual.proj", "vision_model.encoder.layers.00.layer_norm1.weight"]
    tensors, _ = to_open_clip(of_state(state | {key: torch.zeros(32, 24) for key in extra}), "file")
    assert {extra[0], extra[2]} <= tensors.infos.keys()
    assert "visual.proj" not in tensors.infos
    assert "visual.proj (beside keys of transformers)" in tensors.infos


def test_projection_of_another_rank_keeps_its_shape():
    infos = dict(of_state(make_clip().state_dict()).infos)
    infos["visual_projection.weight"] = TensorInfo((2, 3, 4), torch.float32)
    assert to_open_clip(Tensors(infos, {}.__getitem__), "file")[0].infos["visual.proj"].shape == (2, 3, 4)


def test_siglip_is_refused_with_the_open_clip_name():
    tower = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = transformers.SiglipConfig(
        text_config=tower | {"vocab_size": 10}, vision_config=tower | {"image_size": 16, "patch_size": 16}
    )
    with pytest.raises(CheckpointError, match=r"SigLIP .*hf-hub:timm/ViT-B-16-SigLIP"):
        to_open_clip(of_state(transformers.SiglipModel(config).state_dict()), "file")


def test_what_is_written_shares_no_memory():
    tiny = make_tiny("vit")
    out = from_open_clip(tiny.state)
    starts = [t.untyped_storage().data_ptr() for t in out.values()]
    assert len(set(starts)) == len(starts)
    assert all(t.is_contiguous() for t in out.values())
    again = all_of(to_open_clip(of_state(out), "file")[0])
    assert again.keys() == tiny.state.keys()
    assert all(torch.equal(again[key], tiny.state[key]) for key in again)


def test_dtypes_asked_for():
    state = make_tiny("vit").state
    block = "visual.transformer.resblocks.1.attn.in_proj_weight"
    out = from_open_clip(state, {block: torch.float16, "visual.proj": torch.bfloat16})
    assert {key for key, t in out.items() if t.dtype == torch.float16} == {
        f"vision_model.encoder.layers.1.self_attn.{part}_proj.weight" for part in "qkv"
    }
    assert torch.equal(out["visual_projection.weight"], state["visual.proj"].t().bfloat16())
    assert out["logit_scale"].dtype == torch.float32


def test_logit_scale_of_shape_one_becomes_a_scalar():
    state = make_tiny("vit").state
    out = from_open_clip(dict(state) | {"logit_scale": state["logit_scale"].reshape(1)})
    assert out["logit_scale"].shape == ()
    assert out["logit_scale"] == state["logit_scale"]


def test_keys_without_a_place_are_named():
    state = dict(make_tiny("vit").state) | {"logit_bias": torch.zeros(1)}
    with pytest.raises(UsageError, match=r"no place for logit_bias; write the open_clip layout"):
        from_open_clip(state)
    with pytest.raises(UsageError, match=r"no place for visual\.attnpool\.c_proj\.bias"):
        from_open_clip(make_tiny("rn").state)
