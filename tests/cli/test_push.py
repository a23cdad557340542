"""`clipsan push` as it is typed: what it prints, its exit codes, an upload that is killed and run again."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from hub_server import Account, Fault, HubServer
from huggingface_hub import constants
from outputs import write_output

from clipsan.cli import main


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with HubServer(accounts={"hf_mine": Account("me")}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        monkeypatch.setenv("HF_TOKEN", "hf_mine")
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.chdir(tmp_path)
        yield running


@pytest.fixture
def clipsan(monkeypatch, capfd):
    """Runs the command in this process: (exit code, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["clipsan", *arguments])
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as stop:
            main()
        signal.signal(signal.SIGTERM, before)
        return stop.value.code, *capfd.readouterr()

    return run


def test_what_is_said_of_a_push(hub, clipsan, tmp_path):
    write_output(tmp_path / "cleaned", verdict="fail")
    (tmp_path / "cleaned" / "notes.txt").write_text("mine")
    code, out, err = clipsan("push", "--hub-repo", "me/model")
    assert (code, out) == (0, "")
    commit = hub.repositories["me/model"].branches["main"].id
    assert f"Pushed to {hub.endpoint}/me/model (public), commit {commit}" in err
    assert "Verdict: FAIL, as the card says at its top" in err
    assert "left where it is, not being a file of clipsan: notes.txt" in err
    for name in ("README.md", "open_clip_model.safetensors", "report.json"):
        assert name in err
    code, out, err = clipsan("push", "cleaned", "--hub-repo", "me/model", "--quiet")
    assert code == 0
    assert f"Nothing has changed at {hub.endpoint}/me/model (public), commit {commit}" in err
    assert "Checking" not in err and "No files have been modified" not in err


def test_dry_run_shows_the_card(hub, clipsan, tmp_path):
    write_output(tmp_path / "cleaned")
    code, out, err = clipsan("push", "--hub-repo", "me/model", "--private", "--dry-run", "--revision", "try")
    assert (code, out) == (0, "")
    assert f"Dry run: nothing was sent. This would go to {hub.endpoint}/me/model/tree/try (private)" in err
    assert "pipeline_tag: zero-shot-image-classification" in err and "hf-hub:me/model" in err
    assert hub.requests == []


def test_json_is_all_of_stdout(hub, clipsan, tmp_path):
    write_output(tmp_path / "cleaned")
    code, out, err = clipsan("push", "--hub-repo", "me/model", "--json", "--commit-message", "First")
    found = json.loads(out)
    assert code == 0 and "Pushed to" not in err
    assert found["commit"] == hub.repositories["me/model"].branches["main"].id
    assert hub.repositories["me/model"].branches["main"].message == "First"
    assert (found["repository"], found["changed"], found["verdict"]) == ("me/model", True, "pass")
    assert {"name": "README.md", "size": len(found["card"].encode())} in found["files"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Missing option '--hub-repo'."),
        (["--hub-repo", "model"], "--hub-repo is 'model', but a repository is named ORG/NAME"),
        (["nowhere", "--hub-repo", "me/model"], "there is no folder 'nowhere' to push."),
        (["--hub-repo", "me/model"], "has a planted backdoor (its metadata says so)"),
        (["--hub-repo", "you/model", "--yes-poisoned"], "The hub knows no you/model"),
        (
            ["--hub-repo", "me/model", "--yes-poisoned", "--token", "hf_wrong"],
            "does not accept the token (401)",
        ),
    ],
)
def test_errors_are_one_sentence(hub, clipsan, tmp_path, arguments, sentence):
    write_output(tmp_path / "cleaned", poisoned=True)
    code, out, err = clipsan("push", "--quiet", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("clipsan: ") and sentence in err and err.count("\n") == 1
    assert "hf_" not in err
    assert hub.repositories == {}


def test_a_poisoned_model_is_named_so_in_red(hub, clipsan, tmp_path):
    write_output(tmp_path / "cleaned", poisoned=True)
    code, _, err = clipsan("push", "--hub-repo", "me/model", "--yes-poisoned")
    assert code == 0
    assert "The model is poisoned, and tagged as such." in err


def test_an_interrupted_upload_says_how_to_go_on(hub, clipsan, tmp_path):
    write_output(tmp_path / "cleaned")
    held = Fault("POST /api/repos/create", until=threading.Event())
    hub.faults = [held]

    def interrupt():
        held.reached.wait(100)
        os.kill(os.getpid(), signal.SIGINT)
        held.until.set()

    threading.Thread(target=interrupt, daemon=True).start()
    code, out, err = clipsan("push", "--quiet", "--hub-repo", "me/model")
    assert (code, out) == (130, "")
    assert err == "Interrupted: run the same command again; what was uploaded is kept.\n"


def test_a_killed_upload_goes_on_where_it_was(hub, clipsan, tmp_path):
    """The real command, killed in the middle of the second of five files; then once more."""
    write_output(tmp_path / "cleaned", formats=("transformers",), largest_shard=1_000_000)
    parts = sorted((tmp_path / "cleaned").glob("model-*.safetensors"))
    names = [hashlib.sha256(part.read_bytes()).hexdigest() for part in parts]
    held = Fault(f"PUT /{names[1]}", until=threading.Event())
    hub.faults = [held]
    command = [sys.executable, "-m", "clipsan", "push", "--hub-repo", "me/model"]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert held.reached.wait(100)
    deadline = time.monotonic() + 60
    while len(hub.objects) < len(parts) - 1 and time.monotonic() < deadline:
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    said = first.communicate(timeout=60)[1]
    held.until.set()
    assert names[1] not in hub.objects and len(hub.objects) == len(parts) - 1
    assert hub.repositories["me/model"].files.keys() == {".gitattributes"}  # no half of a commit

    hub.requests.clear()
    code, out, again = clipsan("push", "--hub-repo", "me/model")
    assert code == 0, again
    assert hub.asked("PUT ") == [f"PUT /{names[1]}"]
    files = hub.repositories["me/model"].files
    assert all(files[part.name] == part.read_bytes() for part in parts)
    assert f"Pushed to {hub.endpoint}/me/model (public)" in again
    assert "hf_mine" not in said + out + again
    stored = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert not [path for path in stored if b"hf_mine" in path.read_bytes()]
    assert os.environ["HF_TOKEN"] == "hf_mine"
