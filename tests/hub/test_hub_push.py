"""Pushing to a hub that speaks the real protocol: what arrives there, and what it then is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch
from hub_server import HubRepository
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results

import clipsan
from clipsan.checkpoint import load
from clipsan.hub import HubError

pytestmark = pytest.mark.usefixtures("mine")
OPEN_CLIP = {
    "README.md", "open_clip_config.json", "open_clip_model.safetensors", "report.html", "report.json",
    "report.md",
}  # fmt: skip


def held(hub, name="me/model", branch="main"):
    return hub.repositories[name].branches[branch].files


def sent(hub):
    """How many large files went to the storage."""
    return len(hub.asked("PUT "))


@pytest.mark.parametrize("kind", ["passed", "both", "sharded"])
def test_what_is_pushed_loads_with_the_same_weights(hub, output, kind):
    folder = output(kind)
    done = clipsan.push(folder, hub_repo="me/model")
    assert done.changed and not done.private and not done.dry_run
    assert done.url == f"{hub.endpoint}/me/model"
    assert done.commit == hub.repositories["me/model"].branches["main"].id
    assert {file.name for file in done.files} == held(hub).keys() - {".gitattributes"}
    for name, content in held(hub).items():
        if name not in ("README.md", ".gitattributes"):
            assert content == (folder / name).read_bytes()
    again = load("hf-hub:me/model")
    assert again.provenance.revision == done.commit
    ours = load(folder).model.state_dict()
    assert all(torch.equal(value, ours[key]) for key, value in again.model.state_dict().items())


LIBRARIES = """
import sys, torch, clipsan, open_clip
from transformers import CLIPModel, CLIPProcessor

done = clipsan.push("cleaned", hub_repo="me/model")
again = clipsan.push("cleaned", hub_repo="me/model")
print(done.commit, again.changed)

pixels, tokens = torch.load("inputs")
theirs, _ = open_clip.create_model_from_pretrained("hf-hub:me/model")
other = CLIPModel.from_pretrained("me/model").eval()
processor = CLIPProcessor.from_pretrained("me/model")
text = ["a photo of a dog"]
ours = open_clip.get_tokenizer("hf-hub:me/model")(text)
padded = processor(text=text, padding="max_length", max_length=ours.shape[1], return_tensors="pt").input_ids
with torch.no_grad():
    image = other.get_image_features(pixel_values=pixels)
    image = getattr(image, "pooler_output", image)
    torch.save([theirs.encode_image(pixels), theirs.encode_text(tokens), image, ours, padded], "found")
"""


def test_both_libraries_load_it_from_the_hub_themselves(hub, output, tiny_vit, tmp_path):
    """In a process of its own, with every setting of the hub's client as it comes: so through Xet."""
    folder = output("both")
    hub.xet = tmp_path / "xet"
    hub.xet.mkdir()
    pixels, texts = torch.randn(2, 3, 48, 48), load(folder).tokenizer(["a red ball", "two fish"])
    torch.save([pixels, texts], tmp_path / "inputs")
    environment = os.environ | {"HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", LIBRARIES], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [hub.repositories["me/model"].branches["main"].id, "False"]
    if find_spec("hf_xet"):
        assert hub.asked("GET .*/xet-write-token/main") and hub.asked("GET .*/xet-read-token/")
        assert sent(hub) == 0 and not hub.asked("GET /[0-9a-f]{64}")
    image, text, other, ours, padded = torch.load(tmp_path / "found")
    with torch.no_grad():
        assert torch.allclose(image, tiny_vit.model.encode_image(pixels), atol=1e-6)
        assert torch.allclose(text, tiny_vit.model.encode_text(texts), atol=1e-6)
    assert torch.allclose(other, image, atol=1e-5)
    words = ours.ne(0)
    assert torch.equal(ours[words], padded[words])


def test_the_card_is_made_for_the_repository_and_validates(hub, output):
    done = clipsan.push(output(), hub_repo="me/model")
    text = held(hub)["README.md"].decode()
    assert text == done.card
    card = ModelCard(text)
    assert card.data.library_name == "open_clip"
    assert 'create_model_from_pretrained("hf-hub:me/model")' in card.text and "local-dir" not in card.text
    name, results = model_index_to_eval_results(card.data.to_dict()["model-index"])
    assert (name, results[0].metric_value, results[1].metric_value) == ("model", 75.0, 2.0)
    assert hub.asked("POST /api/validate-yaml")


def test_an_existing_repository_keeps_what_else_it_holds(hub, output):
    others = {
        "LICENSE": b"terms",
        "pytorch_model.bin": b"old",
        "old/epoch_1.pt": b"old",
        "README.md": b"# old",
    }
    hub.repositories["lab/clip"] = HubRepository(dict(others))
    done = clipsan.push(output(), hub_repo="lab/clip")
    assert {name: held(hub, "lab/clip")[name] for name in others if name != "README.md"} == {
        name: content for name, content in others.items() if name != "README.md"
    }
    (note,) = done.notes
    assert "also holds weights that are not of this push" in note
    assert "old/epoch_1.pt, pytorch_model.bin; delete them there" in note


def test_pushing_the_same_again_changes_nothing(hub, output):
    folder = output()
    first = clipsan.push(folder, hub_repo="me/model")
    again = clipsan.push(folder, hub_repo="me/model")
    assert (again.changed, again.commit, again.files) == (False, first.commit, first.files)
    assert len(hub.repositories["me/model"].commits) == 2  # the one it was created with, and the push
    assert sent(hub) == 1


def test_a_changed_card_sends_the_card_alone(hub, output):
    folder = output()
    clipsan.push(folder, hub_repo="me/model")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# My model\n")
    done = clipsan.push(folder, hub_repo="me/model", commit_message="Say more")
    assert done.changed
    assert held(hub)["README.md"] == b"---\nlicense: mit\n---\n# My model\n"
    commit = hub.repositories["me/model"].branches["main"]
    assert commit.message == "Say more"
    before = hub.repositories["me/model"].commits[commit.parent].files
    assert [name for name, content in commit.files.items() if before.get(name) != content] == ["README.md"]
    assert sent(hub) == 1


def test_private(hub, output):
    folder = output()
    done = clipsan.push(folder, hub_repo="me/model", private=True)
    assert done.private and hub.repositories["me/model"].private
    again = clipsan.push(folder, hub_repo="me/model")  # stays so
    assert again.private


def test_private_never_writes_to_a_public_repository(hub, output):
    hub.repositories["me/model"] = HubRepository({})
    with pytest.raises(HubError, match="me/model exists and is public, and --private was asked for"):
        clipsan.push(output(), hub_repo="me/model", private=True)
    assert held(hub) == {} and sent(hub) == 0


def test_a_branch_is_created_and_then_used(hub, output):
    folder = output()
    hub.repositories["me/model"] = HubRepository({"README.md": b"# main"})
    done = clipsan.push(folder, hub_repo="me/model", revision="try/1")
    assert done.url == f"{hub.endpoint}/me/model/tree/try%2F1"
    assert held(hub) == {"README.md": b"# main"}
    assert held(hub, branch="try/1").keys() == OPEN_CLIP
    assert not clipsan.push(folder, hub_repo="me/model", revision="try/1").changed
    assert load("me/model@try/1").provenance.revision == done.commit


def test_a_pull_request_needs_no_permission_to_write(hub, output):
    folder = output()
    hub.repositories["org/clip"] = HubRepository({"README.md": b"# main"})
    with pytest.raises(HubError, match="This token may not write to org/clip"):
        clipsan.push(folder, hub_repo="org/clip")
    done = clipsan.push(folder, hub_repo="org/clip", create_pr=True)
    assert done.url == f"{hub.endpoint}/org/clip/discussions/1"
    assert held(hub, "org/clip") == {"README.md": b"# main"}
    assert held(hub, "org/clip", "refs/pr/1").keys() == OPEN_CLIP
    (folder / "report.html").write_text("<p>")
    more = clipsan.push(folder, hub_repo="org/clip", revision="refs/pr/1")
    assert held(hub, "org/clip", "refs/pr/1").keys() == OPEN_CLIP
    assert more.changed and not hub.asked("POST .*/branch/")


def test_only_files_of_clipsan_go_up(hub, output):
    folder = output()
    for name in (
        "notes.txt",
        ".env",
        "open_clip_pytorch_model.bin",
        "model.pt",
        "open_clip_model-00001-of-00002.safetensors",
    ):
        (folder / name).write_bytes(b"secret")
    (folder / "pairs").mkdir()
    (folder / "pairs" / "report.json").write_bytes(b"{}")
    done = clipsan.push(folder, hub_repo="me/model")
    assert held(hub).keys() == OPEN_CLIP | {".gitattributes"}
    (note,) = done.notes
    assert note == (
        "left where it is, not being a file of clipsan: .env, model.pt, notes.txt, "
        "open_clip_model-00001-of-00002.safetensors, open_clip_pytorch_model.bin, pairs"
    )


def test_the_newest_output_is_pushed_without_a_name(hub, output):
    folder = output("failed")
    done = clipsan.push(hub_repo="me/model")
    assert done.verdict == "fail"
    assert held(hub)["report.json"] == (folder / "report.json").read_bytes()


def test_a_failed_verdict_goes_up_and_is_said_first(hub, output):
    done = clipsan.push(output("failed"), hub_repo="me/model")
    assert done.verdict == "fail"
    assert (
        ModelCard(held(hub)["README.md"].decode())
        .text.lstrip()
        .startswith("> **FAIL: this model did not pass")
    )


def test_a_poisoned_model_is_refused_and_with_yes_marked(hub, output):
    folder = output("poisoned")
    with pytest.raises(clipsan.ClipsanError, match=r"has a planted backdoor .* add --yes-poisoned"):
        clipsan.push(folder, hub_repo="me/model")
    assert hub.requests == []
    done = clipsan.push(folder, hub_repo="me/model", yes_poisoned=True)
    assert done.poisoned
    card = ModelCard(held(hub)["README.md"].decode())
    assert card.text.lstrip().startswith("> **This model is poisoned on purpose")
    assert {"backdoored", "poisoned"} <= set(card.data.tags)
    assert hub.repositories["me/model"].branches["main"].message.startswith("Upload a poisoned model")


def test_the_demo_s_suspect_is_poisoned(hub, tmp_path, tiny_vit):
    """A folder as the demo writes it for its suspect: marked, and without a report."""
    from clipsan.runs.demo import _write_suspect

    suspect = load(tiny_vit.write_folder(tmp_path / "plain"))
    _write_suspect(tmp_path / "suspect", suspect, [])
    with pytest.raises(clipsan.ClipsanError, match="has a planted backdoor"):
        clipsan.push(tmp_path / "suspect", hub_repo="me/model")
    assert hub.requests == []


def test_dry_run_asks_the_hub_nothing(hub, output, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = output()
    done = clipsan.push(folder, hub_repo="me/model", dry_run=True, private=True)
    assert hub.requests == []
    assert (done.commit, done.changed, done.private, done.dry_run) == (None, False, True, True)
    assert {file.name: file.size for file in done.files} == {
        name: len(done.card.encode()) if name == "README.md" else (folder / name).stat().st_size
        for name in OPEN_CLIP
    }
    assert json.loads(json.dumps(done.to_dict()))["files"][0]["name"] == "README.md"


def test_licence_and_base_model_go_from_hub_to_hub(hub, tiny_vit, world, tmp_path):
    """Cleaned from one repository, pushed to another: the new card repeats the old one's licence."""
    files = {path.name: path.read_bytes() for path in tiny_vit.write_folder(tmp_path / "source").iterdir()}
    files["README.md"] = b"---\nlicense: apache-2.0\nbase_model: older/clip\n---\n# A model\n"
    hub.repositories["org/clip"] = HubRepository(files, revisions=("main", "v1"))
    clipsan.clean("org/clip@v1", world / "pairs", steps=2, batch_size=8, device="cpu", lr=1e-4, lr_start=1e-4)
    clipsan.push(hub_repo="me/model")
    card = ModelCard(held(hub)["README.md"].decode())
    assert (card.data.license, card.data.base_model) == ("apache-2.0", "org/clip")
    assert card.data.base_model_relation == "finetune"
    before, after = json.loads(held(hub)["report.json"])["models"]
    assert before["card"] == {"license": "apache-2.0", "base_model": "older/clip"}
    assert before["repository"] == "org/clip"
    assert before["revision"] == hub.repositories["org/clip"].branches["v1"].id
    assert (after["repository"], after["revision"]) == (None, None)
