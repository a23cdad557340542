"""Two processes with the same batches give the weights of one, and act alike on what goes wrong in one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest
import torch
import torch.multiprocessing
from tiny_models import make_tiny
from training.pair import CASES, work

from clipsan.training.loop import SEPARATE_STATISTICS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def seen(world, tmp_path_factory):
    """What one process saw, and each of two; images are broken among the pairs and those to measure on."""
    folder = tmp_path_factory.mktemp("pair") / "w"
    shutil.copytree(world, folder)
    make_tiny("rn").write_folder(folder / "rn")
    pairs, measured = (sorted((folder / name).rglob("*.png")) for name in ("pairs", "eval"))
    for broken in (*pairs[7:10], measured[9]):
        broken.write_bytes(broken.read_bytes()[:60])
    torch.multiprocessing.set_forkserver_preload(["clipsan.runs.clean", "clipsan.runs.scan", "training.pair"])
    two = torch.multiprocessing.start_processes(
        work, (2, folder), nprocs=2, join=False, start_method="forkserver"
    )
    work(0, 1, folder)
    while not two.join():
        pass
    return [torch.load(folder / f"{name}.pt") for name in ("1-0", "2-0", "2-1")]


@pytest.mark.parametrize("name", [name for name in CASES if name != "statistics"])
def test_two_processes_give_the_weights_of_one(seen, name):
    one, first, second = (by[name]["weights"] for by in seen)
    assert torch.equal(first, second)
    assert (one - first).norm() <= 1e-5 * one.norm()
    assert seen[0][name]["losses"] == pytest.approx(seen[1][name]["losses"], rel=1e-5)


def test_what_is_wrong_in_one_process_is_so_in_all(seen):
    one, first, second = seen
    for by in (first, second):
        assert by["not finite"]["left out"] == one["not finite"]["left out"] == 1
        assert by["par"]["broken"] == one["par"]["broken"] != []
        assert by["memory"]["notes"] == first["memory"]["notes"]
    assert first["memory"]["notes"][0].startswith("memory ran out with 6 pairs at a time, so")
    assert len(first["memory"]["notes"]) == 2 and not one["memory"]["notes"]


def test_separate_statistics_are_averaged_and_said(seen):
    one, first, second = (by["statistics"] for by in seen)
    assert torch.equal(first["weights"], second["weights"])
    assert first["notes"] == [SEPARATE_STATISTICS] and not one["notes"]


def test_processes_share_the_measuring_and_the_first_writes(seen):
    assert seen[1]["clean"] == seen[0]["clean"]
    assert "cannot be decoded" in seen[0]["clean"]["measured"]
    assert seen[2]["clean"] == {}


def test_processes_share_the_filter(seen):
    one, first, second = (by["filter"] for by in seen)
    assert one == first == second
    assert all(reason in one for reason in ("cannot be decoded", "a notice", "as an earlier pair"))
    assert "cannot be decoded" in seen[0]["clean"]["filter"]


def test_parts_of_a_model_that_were_stopped_and_went_on_make_the_file_of_one_process(seen):
    one, first, second = (by["file"] for by in seen)
    assert second is None and one.keys() == first.keys()
    apart = sum((one[key] - first[key]).double().square().sum() for key in one).sqrt()
    assert apart <= 1e-5 * sum(value.double().square().sum() for value in one.values()).sqrt()


def test_processes_share_an_audit_and_the_first_writes(seen):
    one, first, second = (by["audit"] for by in seen)
    assert one == first and second is None


def test_processes_share_a_scan_and_the_first_writes(seen):
    one, first, second = seen
    assert one["screened"] == first["screened"] == second["screened"]
    assert one["scan"] == first["scan"] != second["scan"] is None


def test_processes_go_through_the_rounds_of_a_loop_together(seen):
    one, first, second = (by["until"] for by in seen)
    assert one["suspect"] == first["suspect"] and second is None
    assert one["accuracies"] == pytest.approx(first["accuracies"], abs=1e-3) != []


def test_all_hear_what_the_first_is_given(seen):
    assert [by["first"] for by in seen] == ["rank 0"] * 3


def test_signals_stop_all_processes_once_and_keep_what_was_done(world, tmp_path):
    command = [
        sys.executable, "-m", "clipsan", "clean", world / "model", "--data", world / "pairs", "--steps",
        "99999", "--batch-size", "9", "--held-out", "0", "--device", "cpu", "--gpus", "2",
        "--out", tmp_path / "out",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as run:
        try:
            said = ""
            while "update" not in said and (line := run.stderr.readline()):
                said += line
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):  # of a terminal, to all at once
                os.killpg(run.pid, number)
            said += run.communicate(timeout=60)[1]
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode == 130, said
    assert said.count("Interrupted: update ") == 1 == said.count("the same command goes on from there")
    assert "Traceback" not in said and "Error" not in said
    assert len(list((tmp_path / "out.resume").glob("update-*"))) == 1
