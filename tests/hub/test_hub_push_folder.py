"""What is pushed at all: whole outputs with the weights of their report, cards with their warnings."""

from __future__ import annotations

import json
import os
import shutil

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file

import clipsan
from clipsan.checkpoint.write import write_weights
from clipsan.errors import ClipsanError

WEIGHTS = "open_clip_model.safetensors"


def remove(name):
    return lambda folder: (folder / name).unlink()


def write(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def link(name):
    def replace_by_link(folder):
        (folder / name).rename(folder.parent / name)
        (folder / name).symlink_to(folder.parent / name)

    return replace_by_link


def other_weights(folder):
    write_weights(folder / WEIGHTS, {"a": torch.zeros(3)}, {})


def cut(folder):
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[:-1])


def one_bit(folder):
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-100] ^= 1
    (folder / WEIGHTS).write_bytes(content)


def report_with(**changes):
    def change(folder):
        report = json.loads((folder / "report.json").read_text())
        (folder / "report.json").write_text(json.dumps(report | changes))

    return change


def only_suspect(folder):
    report = json.loads((folder / "report.json").read_text())
    (folder / "report.json").write_text(json.dumps(report | {"models": report["models"][:1]}))


def as_pickle(folder):
    torch.save({}, folder / WEIGHTS)


def canary(folder):
    (folder / "config.json").write_text("{}")
    (folder / WEIGHTS).rename(folder / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (shutil.rmtree, "there is no folder 'cleaned' to push"),
        (remove("report.json"), "no output of clipsan: it has no report.json; push what clipsan clean wrote"),
        (remove(WEIGHTS), "has no open_clip_model.safetensors or model.safetensors"),
        (
            remove("open_clip_config.json"),
            "has weights for open_clip but no open_clip_config.json: clean again",
        ),
        (write("open_clip_config.json", b"{"), "cannot be pushed: .*open_clip_config.json"),
        (write("report.json", b"{}"), "cannot be pushed: .*report.json is no valid clipsan report"),
        (write("report.json", b"\xff"), "is no clipsan report: it is not UTF-8 text"),
        (report_with(schema_version="9.9"), "its schema_version is 9.9"),
        (only_suspect, "its report.json speaks of no cleaned model"),
        (other_weights, "is not the file that report.json speaks of"),
        (
            one_bit,
            r"is not the file that report.json speaks of \(SHA-256 [0-9a-f]{12}…, there [0-9a-f]{12}…\)",
        ),
        (cut, "cannot be pushed: .*open_clip_model.safetensors"),
        (as_pickle, "cannot be pushed: open_clip_model.safetensors"),
        (canary, "cannot be pushed"),
        (link(WEIGHTS), "open_clip_model.safetensors is a symbolic link, which is never uploaded"),
        (link("README.md"), "README.md is a symbolic link"),
        (write("README.md", b"\xff\xfe"), "README.md is no text in UTF-8"),
        (write("README.md", b"x" * (1 << 20) + b"x"), "README.md is above 1 MB"),
        (
            write("README.md", b"---\na: [\n---\n# x"),
            "README.md: its front matter cannot be read .*correct it",
        ),
        (write("README.md", b"---\n- a\n---\n# x"), "README.md: its front matter cannot be read"),
    ],
)
@pytest.mark.usefixtures("mine")
def test_what_is_no_whole_output(hub, output, damage, sentence):
    damage(output())
    with pytest.raises(ClipsanError, match=sentence) as caught:
        clipsan.push("cleaned", hub_repo="me/model")
    assert "\n" not in str(caught.value)
    assert hub.requests == []


def test_a_shard_that_is_missing_or_changed(hub, output):
    folder = output("sharded")
    clipsan.push(folder, hub_repo="me/model", dry_run=True)
    shard = folder / "model-00002-of-00005.safetensors"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    with pytest.raises(ClipsanError, match=r"is not the file that report\.json speaks of"):
        clipsan.push(folder, hub_repo="me/model", dry_run=True)
    shard.unlink()
    with pytest.raises(ClipsanError, match=r"model-00002-of-00005\.safetensors"):
        clipsan.push(folder, hub_repo="me/model", dry_run=True)


def test_two_layouts_of_different_runs(output):
    folder = output("both")
    second = folder / "model.safetensors"
    write_weights(second, load_file(second), {"method": "finetune"})
    with pytest.raises(ClipsanError, match="are not of one run: clean again with --format both"):
        clipsan.push(folder, hub_repo="me/model", dry_run=True)


def test_a_folder_that_cannot_be_read(output):
    folder = output()
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    folder.chmod(0)
    try:
        with pytest.raises(ClipsanError, match="cannot be read"):
            clipsan.push(folder, hub_repo="me/model", dry_run=True)
    finally:
        folder.chmod(0o700)


def test_no_output_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ClipsanError, match=r"no output folder of clipsan clean lies in .*: name a DIR, or go"
    ):
        clipsan.push(hub_repo="me/model", dry_run=True)


def dry(folder, **settings):
    return clipsan.push(folder, hub_repo="me/model", dry_run=True, **settings)


def test_a_card_as_written_is_made_anew_for_the_repository(output):
    folder = output()
    done = dry(folder)
    assert "hf-hub:me/model" in done.card and done.notes == ()
    text = (folder / "README.md").read_text()
    (folder / "README.md").write_bytes(text.replace("\n", "\r\n").encode())  # as another system writes it
    assert dry(folder).card == done.card
    (folder / "README.md").unlink()
    again = dry(folder)
    assert again.card == done.card
    assert again.notes == ("README.md was missing and is made anew",)


def test_an_edited_card_is_kept(output):
    folder = output()
    edited = (folder / "README.md").read_text().replace("tags:", "license: mit\ntags:") + "\nMore words.\n"
    (folder / "README.md").write_text(edited)
    done = dry(folder)
    assert done.card == edited
    assert done.notes == ("README.md was edited, so it goes up as it is",)


@pytest.mark.parametrize("kind", ["failed", "poisoned"])
def test_warnings_cannot_be_edited_away(output, kind):
    folder = output(kind)
    untouched = dry(folder, yes_poisoned=True).card
    (folder / "README.md").write_text("---\nlicense: mit\ntags: [mine]\n---\n# A fine model\n\nUse it.\n")
    done = dry(folder, yes_poisoned=True)
    card = ModelCard(done.card)
    warning = ModelCard(untouched).text.strip().split("\n\n")[0]
    assert card.text.strip() == f"{warning}\n\n# A fine model\n\nUse it."
    assert card.data.license == "mit"
    assert card.data.tags == (["mine", "backdoored", "poisoned"] if kind == "poisoned" else ["mine"])
    assert done.notes[:2] == (
        "README.md was edited, so it goes up as it is", "the warning at the top of README.md was put back",
    )  # fmt: skip
    (folder / "README.md").write_text(done.card)
    assert dry(folder, yes_poisoned=True).card == done.card  # and not twice


def test_a_card_without_front_matter_gets_its_warnings_too(output):
    folder = output("poisoned")
    (folder / "README.md").write_text("# A fine model\n")
    card = ModelCard(dry(folder, yes_poisoned=True).card)
    assert card.text.lstrip().startswith("> **This model is poisoned on purpose")
    assert card.data.tags == ["backdoored", "poisoned"]
    (folder / "README.md").write_text("---\ntags: one\n---\n")
    assert ModelCard(dry(folder, yes_poisoned=True).card).data.tags == ["one", "backdoored", "poisoned"]


def test_paths_in_the_report_are_pointed_out(output):
    folder = output()
    report_with(settings={"model": "m.pt", "data": "/home/alice/pairs", "steps": 3})(folder)
    assert dry(folder).notes[-1] == "report.json repeats the paths you typed, such as /home/alice/pairs"
