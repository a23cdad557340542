"""What goes wrong on the way to the hub: one sentence each, no token in any, and the same command again."""

from __future__ import annotations

import re
import socket
import traceback

import pytest
from hub_server import Fault, HubRepository

import clipsan
from clipsan.errors import UsageError
from clipsan.hub import HubError

pytestmark = pytest.mark.usefixtures("mine")
AGAIN = "run the same command again: what was uploaded is kept, and the rest follows"


def refused(error=HubError, **settings):
    """The sentence that a push is refused with; the token is in it nowhere, nor in its traceback."""
    with pytest.raises(error) as caught:
        clipsan.push("cleaned", **{"hub_repo": "me/model"} | settings)
    sentence = str(caught.value)
    assert "\n" not in sentence and len(sentence) < 600
    assert "hf_" not in sentence.replace("hf_hub", "")
    assert "hf_mine" not in "".join(traceback.format_exception(caught.value))
    return sentence


@pytest.mark.parametrize(
    ("token", "repository", "sentence"),
    [
        ("hf_wrong", "me/model", r"does not accept the token \(401\); make one with write permission"),
        (
            "hf_reader",
            "me/model",
            r"may not write to me/model \(403: You don't have the rights .*\); give one",
        ),
        ("hf_mine", "org/model", r'under the namespace "org"\); give one that may write for org\.'),
        ("hf_mine", "nobody/model", r"knows no nobody/model .* no owner nobody \(404: Namespace not found\)"),
        ("hf_reader", "me/there", r"may not write to me/there \(403: Forbidden: you don't have write access"),
        ("hf_other", "me/hidden", r"may not write to me/hidden \(403"),
    ],
)
def test_who_may_not(hub, output, token, repository, sentence):
    output()
    hub.repositories |= {"me/there": HubRepository({}), "me/hidden": HubRepository({}, private=True)}
    assert re.search(sentence, refused(hub_repo=repository, token=token))
    assert not hub.asked("PUT ") and not hub.asked("POST .*/commit/")


COMMIT = "POST .*/commit/"


@pytest.mark.parametrize(
    ("line", "status", "message", "headers", "sentence"),
    [
        (COMMIT, 409, "conflict", {}, f"is being changed by something else (409: conflict); {AGAIN}"),
        (COMMIT, 412, "A commit has happened since", {}, "A commit has happened since); run the same"),
        (COMMIT, 503, "busy", {}, f"has a problem of its own (503: busy); wait a little, then {AGAIN}"),
        (COMMIT, 402, "storage is full", {}, "refuses what was sent to me/model (402: storage is full)"),
        (COMMIT, 200, "", {}, "does not speak the hub's language (KeyError)"),
        (COMMIT, 0, "", {}, "The connection to the hub for me/model broke (RemoteProtocolError: "),
        (
            "GET /api/models", 429, "", {"RateLimit": '"api";r=0;t=55', "Retry-After": "9"},
            f"rate limit is used up (429); wait 55 seconds. Then {AGAIN}.",
        ),
        (COMMIT, 429, "", {"Retry-After": "300"}, "wait 300 seconds. Then run the same command"),
        (COMMIT, 429, "", {}, "wait some minutes. Then run"),
    ],
)  # fmt: skip
def test_what_the_hub_may_answer(hub, output, line, status, message, headers, sentence):
    output()
    hub.repositories["me/model"] = HubRepository({})
    fault = Fault(line, status, message, headers)
    hub.faults = [fault]
    assert sentence in refused()
    fault.times = 0
    assert clipsan.push("cleaned", hub_repo="me/model").changed
    assert len(hub.asked("PUT ")) == 1  # what had been uploaded before was not sent again


@pytest.mark.parametrize(
    ("line", "status"),
    [("PUT ", 503), ("POST .*/preupload", 429), ("PUT ", 0)],
    ids=["storage is busy", "rate limit", "cut off in the middle of the weights"],
)
def test_what_passes_is_waited_for(hub, output, line, status):
    folder = output()
    hub.faults = [Fault(line, status, headers={"Retry-After": "0"})]
    assert clipsan.push(folder, hub_repo="me/model").changed
    name = "open_clip_model.safetensors"
    assert hub.repositories["me/model"].files[name] == (folder / name).read_bytes()


def test_a_token_that_the_server_repeats_is_taken_out(hub, output):
    output()
    hub.faults = [Fault("POST /api/repos/create", 403, "no rights for {authorization}", times=2)]
    assert "(403: no rights for Bearer <token>)" in refused()
    assert "(403: no rights for Bearer <token>)" in refused(token="hf_mine")


def test_no_connection(output, monkeypatch):
    output()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    sentence = refused()
    assert sentence.startswith("The connection to the hub for me/model broke (ConnectError")
    assert sentence.endswith(f"{AGAIN}.")


def test_offline(hub, output, monkeypatch):
    output()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert refused(UsageError) == "HF_HUB_OFFLINE is set, so nothing can be pushed: unset it"
    assert hub.requests == []


def test_no_token(hub, output, monkeypatch):
    output()
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(
        UsageError, match="there is no token: run `hf auth login`, set HF_TOKEN, or give --token"
    ):
        clipsan.push("cleaned", hub_repo="me/model")
    assert hub.requests == []


@pytest.mark.parametrize("token", ["hf_mine\nX: y", "hf mine", "hf_mïne", "hf_\x00mine", "x" * 501, "  "])
def test_what_cannot_be_a_token_is_not_sent_or_shown(hub, output, monkeypatch, token):
    output()
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(UsageError, match=r"there is no token|holds characters that no token has") as caught:
        clipsan.push("cleaned", hub_repo="me/model", token=token)
    assert "hf" not in str(caught.value).replace("hf auth login", "").replace("HF", "")
    assert hub.requests == []


def test_where_the_token_is_taken_from(hub, output, monkeypatch, tmp_path):
    output()
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert clipsan.push("cleaned", hub_repo="me/given", token=" hf_mine\n").changed  # before HF_TOKEN
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "token").write_text("hf_mine")  # as `hf auth login` keeps it
    assert clipsan.push("cleaned", hub_repo="me/stored").changed
    stored = [path for path in tmp_path.rglob("*") if path.is_file() and path != tmp_path / "token"]
    assert not [path for path in stored if b"hf_mine" in path.read_bytes()]


@pytest.mark.parametrize(
    ("card", "sentence"),
    [
        ("---\nlicense: my-own\n---\n# x\n", '"license" must be one of'),
        ("---\ntags: clip\n---\n# x\n", '"tags" must be an array'),
    ],
)
def test_metadata_that_the_hub_does_not_take(hub, output, card, sentence):
    (output() / "README.md").write_text(card)
    said = refused()
    assert said.startswith("The hub does not take the card: Invalid metadata in README.md. - ")
    assert sentence in said and said.endswith("correct README.md, or delete it to have it made anew.")
    assert not hub.asked("PUT ")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"hub_repo": "model"}, "a repository is named ORG/NAME"),
        ({"revision": "a b"}, "no name of a branch"),
        ({"revision": "x", "create_pr": True}, "leave --revision"),
        ({"commit_message": ""}, "--commit-message needs 1 to 500 characters"),
        ({"commit_message": "x" * 501}, "--commit-message needs 1 to 500 characters"),
    ],
)
def test_settings_that_cannot_be(hub, output, settings, sentence):
    output()
    assert sentence in refused(UsageError, **settings)
    assert hub.requests == []
