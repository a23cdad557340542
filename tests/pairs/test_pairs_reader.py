"""What ends a reader, and how: one sentence, no hang, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest
from drawn_pairs import encode, noise, write_tar

from clipsan.errors import DataError
from clipsan.pairs import BatchStream, ImageReader, open_pairs

SETTINGS = pytest.mark.parametrize(
    "settings", [{"threads": 1}, {"threads": 3}, {"threads": 3, "exact": False}]
)


@pytest.fixture
def pairs(tmp_path):
    members = []
    for i in range(12):
        members += [(f"{i}.jpg", encode(noise(40, 40, i), "JPEG")), (f"{i}.txt", b"text")]
    write_tar(tmp_path / "t.tar", members)
    return open_pairs(tmp_path / "t.tar")


def failing_at(pairs, monkeypatch, index, error):
    def read(i, plain=pairs.read):
        if i == index:
            raise error
        return plain(i)

    monkeypatch.setattr(pairs, "read", read)


@SETTINGS
def test_a_worker_that_stops_says_where_and_ends_the_stream(pairs, monkeypatch, settings):
    failing_at(pairs, monkeypatch, 7, ZeroDivisionError("no such luck"))
    reader = ImageReader(pairs, {}, (16, 16), **settings)
    said = r"Reading images stopped at .*7 \(ZeroDivisionError: no such luck\).*was not skipped"
    with pytest.raises(DataError, match=said):
        reader.batch(range(12))
    assert reader.skipped == {}
    assert reader.batch([3, 4])[1] == [3, 4]
    with BatchStream(reader, 12, 4, seed=0) as stream, pytest.raises(DataError, match=said):
        for _ in range(3):
            next(stream)


def test_a_thread_that_cannot_start_is_one_sentence(pairs, monkeypatch):
    reader = ImageReader(pairs, {}, (16, 16), threads=3)

    def start(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch, pytest.raises(DataError, match="No thread can be started to decode"):
        patch.setattr(threading.Thread, "start", start)
        reader.batch(range(12))


def test_a_reader_that_is_dropped_leaves_no_thread(pairs):
    before = set(threading.enumerate())
    reader = ImageReader(pairs, {}, (16, 16), threads=3)
    reader.batch(range(12))
    own = set(threading.enumerate()) - before
    assert own
    del reader
    for thread in own:
        thread.join(5)
    assert not any(thread.is_alive() for thread in own)


ENDLESS = """
import sys
from clipsan.pairs import BatchStream, ImageReader, open_pairs
pairs = open_pairs(sys.argv[1])
with BatchStream(ImageReader(pairs, {}, (16, 16), exact=False, threads=4, keep="none"), 12, 4, 0) as stream:
    for number, _ in enumerate(stream):
        if number == 20:
            print("running", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_ends_a_stream(pairs):
    command = [sys.executable, "-c", ENDLESS, pairs.source]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout.readline() == b"running\n"
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode not in (0, None)
    assert b"KeyboardInterrupt" in errors
    with pytest.raises(ProcessLookupError):  # the session is empty
        os.killpg(process.pid, 0)
