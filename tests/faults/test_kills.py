"""`kill -9` at any moment, also in the middle of saving, loses no more than what was not saved yet."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from multiprocessing import get_context

import pytest
import torch
from faults.runs import clean, outcome

from clipsan.errors import ResumeError
from clipsan.resume.states import read_state, saved_updates, write_state
from clipsan.training.state import State

KILLS = 3


def state_of(update):
    tensors = {"weight": torch.full((40, 50), float(update)), "scale": torch.tensor(float(update))}
    return {"model": State(tensors), "curve": State(values={"losses": [update / 7]})}


def killed_at(call, folder):
    """Write a state in a child that kills itself at that call into C; whether it came so far."""
    child = os.fork()
    if child == 0:
        calls = 0

        def count(frame, event, argument):
            nonlocal calls
            calls += event == "c_call"
            if calls == call:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(count)
        write_state(folder, 2, {"run": 1}, state_of(2))
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_a_kill_at_any_moment_of_saving_leaves_a_whole_state(tmp_path):
    begun = tmp_path / "begun"
    begun.mkdir()
    write_state(begun, 1, {"run": 1}, state_of(1))
    newest, call = set(), 1
    while True:
        folder = tmp_path / str(call)
        shutil.copytree(begun, folder)
        came_so_far = killed_at(call, folder)
        found = read_state(saved_updates(folder)[0])  # raises where it is not whole
        assert torch.equal(found.states["model"].tensors["weight"], torch.full((40, 50), float(found.update)))
        assert found.states["curve"].values == {"losses": [found.update / 7]}
        newest.add(found.update)
        if not came_so_far:
            break
        call += 11
    assert call > 100 and newest == {1, 2}


def test_every_byte_of_a_state_is_checked(tmp_path):
    folder = write_state(tmp_path, 1, {}, state_of(1))
    for file in folder.iterdir():
        data = file.read_bytes()
        for at in range(0, len(data), max(1, len(data) // 40)):
            file.write_bytes(data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])
            with pytest.raises(ResumeError):
                read_state(folder)
        file.write_bytes(data)
    assert read_state(folder).update == 1


def run(folder):
    os.chdir(folder)
    torch.set_num_threads(1)
    clean(save_every=1)


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_was_not(here, whole):
    context = get_context("forkserver")
    context.set_forkserver_preload(["clipsan.runs.clean", "faults.runs"])
    chance = random.Random(0)
    for left in range(KILLS, -1, -1):
        child = context.Process(target=run, args=(here,))
        child.start()
        if left:
            resume = here / "cleaned.resume"
            while child.is_alive() and not saved_updates(resume):
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.2))
            child.kill()
        child.join()
        if (here / "cleaned").is_dir():
            break
    assert child.exitcode in (0, -signal.SIGKILL)
    assert outcome("cleaned") == whole
    assert not list(here.glob(".cleaned*"))
