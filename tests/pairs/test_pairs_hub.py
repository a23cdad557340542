"""Data sets of the Hub through the real `datasets`, from a hub on this machine."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_pairs import drawn_pairs, write_tar
from hub_server import Account, HubRepository, HubServer

from clipsan.errors import DataError
from clipsan.pairs import pinned
from clipsan.pairs.hub_dataset import HubSet, _plain_errors, parse

pytestmark = pytest.mark.slow
DRAWN = drawn_pairs(30)
CAPTIONS = [text for *_, text in DRAWN]
IMAGES = hashlib.sha256(b"".join(data for _, data, _ in DRAWN)).hexdigest()


def parquet(images, captions, name="text", rows=7):
    buffer = io.BytesIO()
    pq.write_table(pa.table({"image": images, name: captions}), buffer, row_group_size=rows)
    return buffer.getvalue()


def repositories(folder: Path) -> dict[str, HubRepository]:
    write_tar(
        folder / "0.tar", [(f"{k}.{e}", v) for k, d, c in DRAWN for e, v in (("jpg", d), ("txt", c.encode()))]
    )
    rows = [{"bytes": data, "path": f"{key}.jpg"} for key, data, _ in DRAWN]
    lines = [json.dumps({"file_name": f"{key}.jpg", "text": text}) for key, _, text in DRAWN]
    pictures = {f"train/{key}.jpg": data for key, data, _ in DRAWN}
    outside = [{"bytes": None, "path": "/etc/passwd"}, {"bytes": None, "path": "hf://datasets/a/b@c/x.jpg"}]
    files = {
        "org/struct": {"data/train-0.parquet": parquet(rows, CAPTIONS)},
        "org/tars": {"train-0.tar": (folder / "0.tar").read_bytes()},
        "org/pictures": pictures | {"train/metadata.jsonl": "\n".join(lines).encode()},
        "org/odd": {
            "data/train-0.parquet": parquet([*outside, *rows], [["a"], [""], *([c] for c in CAPTIONS)])
        },
        "org/links": {"train.parquet": parquet(["https://example.org/x.jpg"], ["x"])},
        "org/program": {"program.py": b"raise SystemExit('run')"},
        "org/damaged": {"train.parquet": b"PAR1" + bytes(100) + b"PAR1"},
        "org/closed": {"train.parquet": parquet(rows, CAPTIONS)},
    }
    return {name: HubRepository(content, private=name == "org/closed") for name, content in files.items()}


CASES = {
    "struct": ["hf-dataset:org/struct", {}],
    "tars": ["hf-dataset:org/tars@main:train", {}],
    "pictures": ["hf-dataset:org/pictures", {}],
    "odd": ["hf-dataset:org/odd", {}],
    "some": ["hf-dataset:org/struct", {"max_pairs": 10, "seed": 4}],
    "again": ["hf-dataset:org/struct", {"max_pairs": 10, "seed": 4}],
    "column": ["hf-dataset:org/struct", {"caption_column": "alt"}],
    "links": ["hf-dataset:org/links", {}],
    "program": ["hf-dataset:org/program", {}],
    "damaged": ["hf-dataset:org/damaged", {}],
    "closed": ["hf-dataset:org/closed", {}],
    "nowhere": ["hf-dataset:org/nowhere", {}],
    "revision": ["hf-dataset:org/tars@v9", {}],
    "split": ["hf-dataset:org/tars:test", {}],
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What a process found for each of CASES, with all it wrote to stderr and the commits."""
    folder = tmp_path_factory.mktemp("hub")
    (folder / "tmp").mkdir()
    with HubServer(repositories(folder), accounts={"hf_mine": Account("me")}) as hub:
        settings = {
            "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_XET": "1",
            "TMPDIR": str(folder / "tmp"), "HF_TOKEN": "", "HF_HUB_OFFLINE": "",
        }  # fmt: skip
        script = [
            sys.executable,
            str(Path(__file__).with_name("hub_sets.py")),
            json.dumps(list(CASES.values())),
        ]
        run = subprocess.run(script, capture_output=True, text=True, timeout=300, env=os.environ | settings)
        assert run.returncode == 0, run.stderr
        answer = json.loads(run.stdout)
        return {
            "left": answer["left"], "stderr": run.stderr, "at_exit": list((folder / "tmp").glob("clipsan-*")),
            "commits": {name: one.branches["main"].id for name, one in hub.repositories.items()},
            **dict(zip(CASES, answer["found"], strict=True)),
        }  # fmt: skip


@pytest.mark.parametrize("form", ["struct", "tars", "pictures"])
def test_each_form_on_the_hub_gives_the_same_pairs(seen, form):
    assert seen[form]["captions"] == CAPTIONS
    assert seen[form]["images"] == IMAGES
    assert seen[form]["skipped"] == []
    assert seen[form]["origin"]["revision"] == seen["commits"][f"org/{form}"]


def test_paths_outside_of_the_repository_are_never_opened(seen):
    assert seen["odd"]["captions"] == CAPTIONS and seen["odd"]["images"] == IMAGES
    assert seen["odd"]["skipped"] == [
        [f"train/{row}", "the image is a path outside of the data set's files"] for row in (0, 1)
    ]


def test_some_pairs_are_drawn_from_the_shuffled_stream(seen):
    some = seen["some"]["captions"]
    assert len(set(some)) == 10 and set(some) < set(CAPTIONS) and some != CAPTIONS[:10]
    assert seen["again"] == seen["some"]


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("column", "has no column alt; its columns are image, text"),
        ("links", "The column image of org/links holds text, not images"),
        ("program", "is a program (program.py), which is never run"),
        ("damaged", "The data set org/damaged, split train, cannot be read: "),
        ("closed", "There is no data set org/closed on the Hub, or it is private"),
        ("nowhere", "There is no data set org/nowhere on the Hub"),
        ("revision", "The data set org/tars has no revision v9"),
        ("split", "The data set org/tars, split test, cannot be read: "),
    ],
)
def test_what_cannot_be_read_is_one_sentence(seen, case, says):
    assert says in seen[case]["error"]
    assert "\n" not in seen[case]["error"]


def test_nothing_is_written_to_stderr_or_left_on_disk(seen):
    assert seen["stderr"] == ""
    assert seen["struct"]["spools"] == 1
    assert seen["left"] == 0 and seen["at_exit"] == []


class TransportError(Exception):
    """Named as httpx's."""


@pytest.mark.parametrize("error", [ConnectionError("reset by peer"), TransportError("timed out")])
def test_a_connection_that_breaks_says_what_to_do(error):
    sentence = r"The connection to the Hub broke while a/b, split train, was read \(.+\): check the network"
    with pytest.raises(DataError, match=sentence), _plain_errors(parse("hf-dataset:a/b")):
        raise error


def test_names():
    assert parse("hf-dataset:a/b") == HubSet("a/b", None, None, "train")
    assert parse("hf-dataset:a/b@refs/convert/parquet:c-1/val") == HubSet(
        "a/b", "refs/convert/parquet", "c-1", "val"
    )
    assert pinned("hf-dataset:a/b@main:c/val", "f" * 40) == f"hf-dataset:a/b@{'f' * 40}:c/val"
    assert pinned("pairs/", None) == "pairs/"
    for wrong in ("", "a", "a/b/c", "a/b@", "a/b:", "../b", "a/b:c/d/e", "a/b c"):
        with pytest.raises(DataError, match="names no data set of the Hub"):
            parse(f"hf-dataset:{wrong}")
