"""From a checkpoint and pairs to an output folder, and back again, on a tiny random model."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import jsonschema
import open_clip
import pytest
import torch
from hub_server import Account, HubServer
from torch.nn import functional as F

import clipsan
from clipsan.checkpoint import load
from clipsan.errors import CheckpointError, OutputError, UsageError
from clipsan.report import json_schema, read_report
from clipsan.training.encode import encode_image, encode_text

pytestmark = pytest.mark.slow
QUICK = {"steps": 3, "batch_size": 8, "device": "cpu", "lr_start": 1e-3, "lr": 1e-4}


def sha256(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_output_drops_into_open_clip_with_equal_embeddings(here):
    result = clipsan.clean("model.safetensors", "pairs", eval="eval", trigger=["stripes"], **QUICK)
    theirs, _ = open_clip.create_model_from_pretrained(f"local-dir:{here / 'cleaned'}")
    ours = result.model
    torch.manual_seed(0)
    images, texts = torch.randn(4, 3, 48, 48), ours.tokenizer(["a red ball", "two fish"])
    with torch.no_grad():
        assert torch.equal(
            encode_image(ours.model, images), F.normalize(theirs.eval().encode_image(images), dim=-1)
        )
        assert torch.equal(encode_text(ours.model, texts), F.normalize(theirs.encode_text(texts), dim=-1))
    suspect = load("model.safetensors").model.state_dict()
    moved = [key for key, value in ours.model.state_dict().items() if not torch.equal(value, suspect[key])]
    assert "visual.proj" in moved and "logit_scale" not in moved


def test_report_is_valid_and_says_what_was_used(here):
    result = clipsan.clean("model.safetensors", "pairs", eval="eval", trigger=["stripes", "blended"], **QUICK)
    written = json.loads((here / "cleaned" / "report.json").read_text())
    jsonschema.validate(written, json_schema())
    assert read_report(here / "cleaned" / "report.json") == result.report
    suspect, cleaned = written["models"]
    assert suspect["sha256"] == sha256(here / "model.safetensors")
    assert cleaned["sha256"] == sha256(here / "cleaned" / "open_clip_model.safetensors")
    assert cleaned["metadata"]["source_sha256"] == suspect["sha256"]
    assert [t["name"] for t in written["evaluation"]["triggers"]] == ["stripes", "blended"]
    assert written["evaluation"]["images"] == len(list((here / "eval").rglob("*.png")))
    assert len(written["training"]["curves"]) == 3
    assert written["training"]["curves"][0]["lr"] == pytest.approx(1e-3)
    assert 0 < written["training"]["curves"][-1]["s_image"] < 4
    assert written["data"]["pairs_train"] == 40
    assert written["verdict"]["result"] == "inconclusive"  # a random model: accuracy is near chance
    names = {path.name for path in (here / "cleaned").iterdir()}
    assert names == {
        "README.md", "open_clip_config.json", "open_clip_model.safetensors", "report.html", "report.json",
        "report.md", *(f"trigger-{t}-image-{n}.png" for t in (1, 2) for n in (1, 2, 3)),
    }  # fmt: skip
    page = (here / "cleaned" / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 6
    pushed = clipsan.push("cleaned", hub_repo="org/name", dry_run=True)
    assert not any(file.name.startswith("trigger-") for file in pushed.files)
    assert any("report.html goes up without pictures" in note for note in pushed.notes)
    (shown,) = (file.size for file in pushed.files if file.name == "report.html")
    assert shown < len(page.encode()) - 6 * 1000


def test_the_suspect_is_measured_before_it_is_changed(here):
    """An audit of the file alone gives what `clean` reports for the suspect."""
    cleaned = clipsan.clean("model", "pairs", eval="eval", trigger=["blended"], **QUICK).report.evaluation
    alone = clipsan.audit("model", eval="eval", trigger=["blended"], device="cpu").report.evaluation
    assert cleaned.clean_accuracy.suspect == alone.clean_accuracy.suspect
    assert cleaned.triggers[0].asr.suspect == alone.triggers[0].asr.suspect
    again = clipsan.audit("cleaned", eval="eval", trigger=["blended"], device="cpu").report.evaluation
    assert cleaned.clean_accuracy.cleaned == again.clean_accuracy.suspect


def test_equal_seeds_write_equal_bytes_and_other_seeds_do_not(here):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        clipsan.clean("model.safetensors", "pairs", out=name, seed=seed, **QUICK)
    a, b, c = (sha256(here / name / "open_clip_model.safetensors") for name in "abc")
    assert a == b
    assert a != c


@pytest.mark.parametrize("batch_norm", ["frozen", "train"])
def test_batch_norm_statistics_move_only_when_asked(here, batch_norm):
    from tiny_models import make_tiny

    make_tiny("rn").write_folder(here / "rn")
    result = clipsan.clean("rn", "pairs", batch_norm=batch_norm, **QUICK)
    before, after = load("rn").model.state_dict(), result.model.model.state_dict()
    moved = [key for key in before if "running_" in key and not torch.equal(before[key], after[key])]
    assert bool(moved) == (batch_norm == "train")
    assert not torch.equal(before["visual.conv1.weight"], after["visual.conv1.weight"])


def test_half_precision_files_stay_half_and_are_measured_as_written(here):
    state = load("model").model.state_dict()
    from clipsan.checkpoint import write_weights

    half = {key: v.half() if v.is_floating_point() else v for key, v in state.items()}
    write_weights(here / "half.safetensors", half, {})
    result = clipsan.clean("half.safetensors", "pairs", activation="gelu", **QUICK)
    assert result.report.models[1].dtype == "float16"
    for key, value in result.model.model.state_dict().items():
        if value.is_floating_point():
            assert torch.equal(value, value.half().float()), key


def test_activation_of_a_bare_file_is_measured_and_said(here):
    (here / "bare").mkdir()
    shutil.copy(here / "model.safetensors", here / "bare" / "model.safetensors")
    report = clipsan.clean("bare/model.safetensors", "pairs", **QUICK).report
    evidence = " ".join(report.models[0].evidence)
    assert "contrastive loss on 38 clean pairs" in evidence
    assert "with activation gelu" in evidence and "with activation quickgelu" in evidence
    audited = clipsan.audit(eval="eval", device="cpu").report  # other images could tell otherwise
    assert [model.evidence for model in audited.models][:1] == [report.models[0].evidence]
    assert audited.models[0].activation == audited.models[1].activation == report.models[0].activation


def test_the_three_commands_of_the_design_one_after_the_other(here):
    """`clean model.safetensors --data synth/`, `audit --trigger stripes`, `push --hub-repo ORG/NAME`."""
    (here / "pairs").rename(here / "synth")

    def run(*arguments, **settings):
        command = [sys.executable, "-m", "clipsan", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=600, env=os.environ | settings)

    cleaned = run("clean", "model.safetensors", "--data", "synth/", "--steps", "2")
    assert cleaned.returncode == 3, cleaned.stderr  # nothing was attacked
    assert "not measured" in cleaned.stderr
    audited = run("audit", "--trigger", "stripes", "--json")
    assert audited.returncode in (0, 1, 3), audited.stderr
    report = json.loads(audited.stdout)
    assert [model["role"] for model in report["models"]] == ["suspect", "cleaned"]
    trigger = report["evaluation"]["triggers"][0]
    assert (
        trigger["asr"]["suspect"]["n"] <= 5 and trigger["asr"]["cleaned"]["n"] <= 5
    )  # the held-out of 40 pairs
    assert report["evaluation"]["kind"] == "retrieval"
    assert "never reached tau" in " ".join(report["verdict"]["reasons"])  # as the cleaning said itself
    with HubServer(accounts={"hf_mine": Account("me", ("ORG",))}) as hub:
        settings = {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": "hf_mine", "HF_HOME": str(here / "home")}
        settings["HF_HUB_DISABLE_XET"] = "1"
        pushed = run("push", "--hub-repo", "ORG/NAME", **settings)
        assert pushed.returncode == 0, pushed.stderr
        code = (
            "import torch; from clipsan.checkpoint import load; x = torch.ones(2, 3, 48, 48) / 3;"
            "a, b = (load(s).model.encode_image(x) for s in ('hf-hub:ORG/NAME', 'cleaned'));"
            "print(float((a - b).abs().max()))"
        )
        loaded = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=600,
            env=os.environ | settings,
        )
        assert loaded.stdout.strip() == "0.0", loaded.stderr


def test_audit_of_the_last_output_refuses_a_changed_suspect(here):
    clipsan.clean("model.safetensors", "pairs", eval="eval", **QUICK)
    time.sleep(0.01)
    state = load("model").model.state_dict()
    state["visual.proj"] += 1
    from clipsan.checkpoint import write_weights

    (here / "model.safetensors").unlink()
    write_weights(here / "model.safetensors", state, {})
    with pytest.raises(CheckpointError, match="not the file that was cleaned"):
        clipsan.audit(trigger=["stripes"], device="cpu")


def test_overwrite_replaces_an_earlier_output_only(here):
    clipsan.clean("model.safetensors", "pairs", seed=1, **QUICK)
    first = sha256(here / "cleaned" / "open_clip_model.safetensors")
    with pytest.raises(OutputError, match="cleaned"):
        clipsan.clean("model.safetensors", "pairs", seed=2, **QUICK)
    assert sha256(here / "cleaned" / "open_clip_model.safetensors") == first
    clipsan.clean("model.safetensors", "pairs", seed=2, overwrite=True, **QUICK)
    assert sha256(here / "cleaned" / "open_clip_model.safetensors") != first
    with pytest.raises(OutputError):
        clipsan.clean("model.safetensors", "pairs", out="eval", overwrite=True, **QUICK)


def test_few_pairs_get_a_smaller_default_batch(here):
    report = clipsan.clean("model.safetensors", "pairs", steps=1, device="cpu").report
    assert report.training.batch_size == 8  # 38 pairs are left to train on; a quarter is 9.5


@pytest.mark.parametrize(
    ("sent", "save_every"), [(signal.SIGINT, "0"), (signal.SIGTERM, "1"), (signal.SIGKILL, "0")]
)
def test_a_stopped_run_leaves_nothing_behind_but_what_it_saved(here, sent, save_every):
    before = set(here.rglob("*"))
    command = [sys.executable, "-m", "clipsan", "clean", "model.safetensors", "--data", "pairs"]
    command += ["--steps", "100000", "--batch-size", "8", "--save-every", save_every]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    for line in run.stderr:
        if line.startswith("Fine-tuning"):
            break
    resume = here / "cleaned.resume"
    while save_every == "1" and not list(resume.glob("update-*")):
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(run.pid, sent)
    rest = run.communicate(timeout=60)[1]
    assert run.returncode == (-signal.SIGKILL if sent == signal.SIGKILL else 130)
    assert "Traceback" not in rest
    left = set(here.rglob("*")) - before
    if sent == signal.SIGINT:
        assert "Interrupted: nothing was written." in rest and not left
    elif sent == signal.SIGKILL:
        assert left == {resume, resume / "lock"}
    else:
        saved = max(path.name for path in resume.glob("update-*"))
        words = f"update {int(saved.removeprefix('update-'))} is kept in 'cleaned.resume'"
        assert f"Interrupted: {words}: the same command goes on from there." in rest
        assert {path for path in left if path.parent == here} == {resume}


def test_unknown_public_name():
    with pytest.raises(AttributeError, match="scrub"):
        clipsan.scrub  # noqa: B018


def test_thresholds_out_of_range(here):
    with pytest.raises(UsageError, match="--max-drop"):
        clipsan.clean("model.safetensors", "pairs", max_drop=-1, **QUICK)
