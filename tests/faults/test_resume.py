"""A run that was stopped goes on to the same bytes, and only the same run does."""

from __future__ import annotations

import shutil

import pytest
import torch
from faults.runs import SETTINGS, Hearing, clean, outcome
from tiny_files import image_tower
from tiny_models import make_tiny

import clipsan
from clipsan.errors import OutputError, ResumeError, UsageError
from clipsan.resume import claimed
from clipsan.resume.states import saved_updates


def names(folder):
    return [path.name for path in saved_updates(folder / "cleaned.resume")]


def test_a_run_stopped_twice_ends_as_one_that_was_not(here, whole):
    first = clean(at=2)
    assert first.updates == [1, 2]
    assert first.stopped == ("update 2 is kept in 'cleaned.resume': the same command goes on from there")
    assert not (here / "cleaned").exists()
    second = clean(at=6)
    assert second.updates == [3, 4, 5, 6]
    assert "Going on after update 2, from cleaned.resume" in second.stages
    assert names(here) == ["update-00000006", "update-00000002"]
    last = clean()
    assert last.updates == [7]
    assert outcome("cleaned") == whole
    assert not (here / "cleaned.resume").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "finetune", "augment": ("flip",), "save_every": 1, "steps": 4, "micro_batch": 3},
        {"batch_norm": "train", "weight": (2.0,), "max_pairs": 30, "steps": 4},
        {"method": "roclip", "pool": 0.5, "steps": 4},
        {"method": "cleanclip", "counter": ["stripes"], "counter_pull": 1.0, "batch_size": 16, "steps": 5},
    ],
)
def test_other_methods_and_batch_norm_go_on_alike(here, changes):
    make_tiny("rn").write_folder(here / "rn")
    clean(model="rn", **changes)
    (here / "cleaned").rename(here / "whole")
    stopped = clean(model="rn", at=3, **changes)
    assert "update 3" in stopped.stopped
    clean(model="rn", **changes)
    assert outcome("cleaned") == outcome("whole")


@pytest.mark.parametrize("recipe", ["badencoder", "finetune"])
def test_planting_goes_on_alike(here, recipe):
    settings = {
        "trigger": ["stripes", "rare-word"], "target": "fish", "rate": 0.1, "mirror": True, "steps": 7,
        "batch_size": 8, "device": "cpu", "lr": 1e-3, "out": "planted", "recipe": recipe,
    }  # fmt: skip
    clipsan.poison("model", "pairs", **settings)
    (here / "planted").rename(here / "whole")
    with pytest.raises(KeyboardInterrupt, match="update 6 is kept"):
        clipsan.poison("model", "pairs", **settings, watcher=Hearing(6))
    with pytest.raises(ResumeError, match=r"pairs digest"):
        clipsan.poison("model", "pairs", **{**settings, "rate": 0.2})
    clipsan.poison("model", "pairs", **settings)
    assert outcome("planted") == outcome("whole")


def test_counter_triggers_are_part_of_what_a_run_is(here):
    clean(at=3, counter=["stripes"])
    with pytest.raises(ResumeError, match=r"with counter triggers .*stripes.*, and this one has .*blended"):
        clean(counter=["blended"])
    with pytest.raises(ResumeError, match=r"with counter share 0.5, and this one has 0.25"):
        clean(counter=["stripes"], counter_share=0.25)


def test_rounds_are_not_saved_and_say_so(here):
    with pytest.raises(UsageError, match=r"--until trains in rounds, which are not saved: leave"):
        clean(until="asr<=5%", held_out=None, save_every=5)


def test_another_run_is_refused_and_the_difference_named(here, whole):
    clean(at=3)
    with pytest.raises(ResumeError, match=r"--lr-start 0.001, and this one has 0.002: give the same again"):
        clean(lr_start=2e-3)
    with pytest.raises(ResumeError, match=r"--seed 3, and this one has 4"):
        clean(seed=4)
    image = sorted((here / "pairs").rglob("*.png"))[0]
    kept = image.read_bytes()
    image.write_bytes(kept + b"\0")
    with pytest.raises(ResumeError, match=r"pairs digest [0-9a-f]{12}…, and this one has"):
        clean()
    image.write_bytes(kept)
    shutil.copytree(here / "model", here / "other")
    make_tiny("vit", quick_gelu=True).write_folder(here / "other")
    with pytest.raises(ResumeError, match=r"model activation gelu, and this one has quickgelu"):
        clean(model="other")
    assert names(here) == ["update-00000003"]
    assert clean().updates == [4, 5, 6, 7]
    assert outcome("cleaned") == whole


def test_the_model_that_completes_an_image_tower_is_part_of_what_a_run_is(here):
    tiny = make_tiny("vit")
    image_tower(tiny, here)
    tiny.write_folder(here / "base")
    alone = {"model": "fare.pt", "text_from": "base", "activation": "gelu"}
    clean(at=2, **alone)
    with torch.no_grad():
        tiny.model.text_projection.add_(0.1)
    tiny.write_folder(here / "base")
    with pytest.raises(ResumeError, match=r"model SHA-256 of --text-from [0-9a-f]{12}…, and this one has"):
        clean(**alone)


def test_overwrite_goes_on_with_the_same_run_and_leaves_another(here, whole):
    clean()
    clean(at=2, overwrite=True)
    assert outcome("cleaned") == whole  # the earlier output is there until the new one is complete
    assert clean(at=4, overwrite=True).updates == [3, 4]
    anew = clean(at=1, overwrite=True, seed=9)
    assert "Leaving the unfinished run with --seed 3, and this one has 9" in anew.stages
    assert anew.updates == [1]
    assert names(here) == ["update-00000001"]


def test_what_does_not_decide_the_training_may_change(here):
    clean(at=2)
    assert clean(micro_batch=4, max_asr=20.0, dtype="float16").updates == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(("file", "damage"), [
    ("tensors.safetensors", lambda data: data[:900] + bytes([data[900] ^ 1]) + data[901:]),
    ("state.json", lambda data: data[:-200]),
    ("SHA256SUMS", lambda data: b"\xff\0"),
    ("state.json", None),
])  # fmt: skip
def test_a_damaged_state_is_passed_over_for_the_one_before(here, whole, file, damage):
    clean(at=3, save_every=2)
    newest = here / "cleaned.resume" / "update-00000003" / file
    if damage is None:
        newest.unlink()
    else:
        newest.write_bytes(damage(newest.read_bytes()))
    heard = clean(at=4)
    assert heard.updates == [3, 4]
    assert "the saved state of update 3 in 'cleaned.resume' is damaged" in heard.warnings[0]
    assert names(here) == ["update-00000004", "update-00000002"]
    clean()
    assert outcome("cleaned") == whole


def test_a_run_without_a_whole_state_begins_anew_and_says_so(here, whole):
    clean(at=3)
    (here / "cleaned.resume" / "update-00000003" / "tensors.safetensors").write_bytes(b"")
    heard = clean()
    assert heard.updates == [1, 2, 3, 4, 5, 6, 7]
    assert heard.warnings[-1] == "no saved state is whole, so the run begins anew"
    assert outcome("cleaned") == whole


def test_states_are_saved_where_asked(here):
    seen = {}
    watcher = Hearing()
    watcher.step = lambda step: seen.setdefault(step.step, names(here))  # as it was before this update's save
    clipsan.clean("model", "pairs", watcher=watcher, save_every=2, **SETTINGS)
    assert seen[2] == [] and seen[3] == ["update-00000002"]
    assert seen[7] == ["update-00000006", "update-00000004"]


def test_nothing_is_saved_where_nobody_wants_it(here):
    with pytest.raises(KeyboardInterrupt) as stop:
        clipsan.clean("model", "pairs", watcher=Hearing(2), save_every=0, **SETTINGS)
    assert not str(stop.value)
    assert not (here / "cleaned.resume").exists()


def test_two_runs_on_one_folder(here):
    with claimed(here / "cleaned"):
        with pytest.raises(OutputError, match=r"Another run \(process \d+ on .+\) is writing 'cleaned'"):
            clean()
        assert clean("elsewhere", at=1).updates == [1]
    assert not (here / "cleaned.resume").exists()


def test_a_folder_of_somebody_else_is_left_alone(here):
    (here / "cleaned.resume").mkdir()
    (here / "cleaned.resume" / "thesis.tex").write_text("years")
    with pytest.raises(OutputError, match=r"'cleaned.resume'.*'thesis.tex'"):
        clean()
    assert (here / "cleaned.resume" / "thesis.tex").read_text() == "years"


def test_what_a_kill_left_half_written_is_tidied_up(here):
    (here / ".cleaned.partial-0123abcd").mkdir()
    (here / ".cleaned.partial-mine").mkdir()
    clean()
    old = (here / "cleaned").rename(here / ".cleaned.old-0123abcd")  # a kill while an output was replaced
    with pytest.raises(OutputError, match="holds an earlier output"):
        clean()
    assert not old.exists() and (here / "cleaned" / "report.json").is_file()
    assert not (here / ".cleaned.partial-0123abcd").exists()
    assert (here / ".cleaned.partial-mine").exists()
