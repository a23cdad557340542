"""Draw every picture of the documentation anew: the demo in a terminal, reports, the sheet of triggers.

    python benchmarks/figures.py [--victim FOLDER] [--compared NAME=FOLDER …] [--only NAME …] [--demo FOLDER]

It runs `clipsan demo` (a few minutes on a CPU; none is run where `--demo` is an earlier output, but then the
terminal is not drawn) and photographs its report with Chromium, which has to be installed. `--victim` is the
output of `clean` on the poisoned ResNet of photographs, and is needed for the two pictures of it: only parts
of its report without photographs are shown. Make it with short relative paths, for the report shows them.
`--compared` is an output of `compare`, whose curves become compare-NAME.png.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import importlib
import io
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from PIL import Image
from rich.console import Console
from rich.text import Text

import clipsan
from clipsan.cli.output import Output
from clipsan.runs.watch import Watcher

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TERMINAL = 104
"""Columns of the drawn terminal."""
GAP, GAP_COLOUR = 30, (213, 217, 226)
COLOURS = 256
"""Of a picture's palette, the most there can be; it keeps the repository small."""

sys.path.insert(0, str(ROOT / "tests" / "report"))
chromium = importlib.import_module("browser")  # as the tests of the page drive it


class Stages(Watcher):
    """Writes the stages of a run and nothing of its progress."""

    def __init__(self, console: Console) -> None:
        """`console`: to write to."""
        self._console = console

    def stage(self, text: str) -> None:
        self._console.print(Text(text))


@dataclass(frozen=True)
class View:
    """A part of a report: from an element on, so many px wide and high. `start` None: the top of the page;
    `height` None: the element alone."""

    start: str | None
    width: int
    height: int | None
    dark: bool = False


TERMINAL_PICTURE, SHEET = "demo.svg", "triggers.png"
DEMO = {
    "report.png": [View(None, 1020, 1010)],
    "report-phone.png": [View(start, 390, 1400) for start in (None, "#examples", "#embeddings")],
    "report-examples.png": [View("#examples", 1020, 800)],
    "report-embeddings.png": [View("#embeddings", 1020, 760)],
}
"""Pictures of the demo's report, and the views that stand beside each other in them."""
CURVES = View(".trade", 1020, None)
VICTIM = {
    "report-victim.png": [View(None, 768, 1340, dark=True)],
    "report-victim-embeddings.png": [View("#embeddings", 768, 1230)],
}


def photograph(browser: Any, page: Path, view: View) -> Image.Image:
    """What a reader of the page sees there."""
    browser.open(page, view.width, dark=view.dark)
    top, height = 0.0, view.height
    if view.start is not None:
        place = f"document.querySelector({view.start!r})?.getBoundingClientRect()"
        found = browser.ask(f"(r => r && [r.top + window.scrollY, r.height])({place})")
        if found is None:
            raise SystemExit(f"{page} has no {view.start}: it was made with --no-gallery, or is no report")
        top, height = float(found[0]), height or float(found[1])
    clip = {"x": 0, "y": top, "width": view.width, "height": height, "scale": 1}
    shot = browser("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
    return Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")


def beside(images: list[Image.Image]) -> Image.Image:
    """Pictures of equal height in a row."""
    width = sum(image.width for image in images) + GAP * (len(images) - 1)
    row = Image.new("RGB", (width, images[0].height), GAP_COLOUR)
    left = 0
    for image in images:
        row.paste(image, (left, 0))
        left += image.width + GAP
    return row


def save(image: Image.Image, name: str) -> None:
    """With a palette, into the documentation."""
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(DOCS / name, optimize=True)
    print(DOCS / name, flush=True)


def terminal(folder: Path) -> None:
    """Run the demo into a folder, and draw what it prints."""
    output = Output(json=False, quiet=False, verbose=False)
    console = Console(record=True, file=io.StringIO(), width=TERMINAL, highlight=False)
    output.words = console
    console.print(Text("$ clipsan demo", style="bold"))
    made = clipsan.demo(out=folder, watcher=Stages(console))
    output.story(made.story)
    with contextlib.suppress(typer.Exit):  # which is how a command ends
        output.finish(made.report, made.folder / "cleaned")
    picture = DOCS / TERMINAL_PICTURE
    picture.write_text(console.export_svg(title="clipsan"), encoding="utf-8")
    print(picture, flush=True)


def reports(page: Path, pictures: dict[str, list[View]], asked: set[str]) -> None:
    """Photograph one report for the pictures that are asked for."""
    program = chromium.find_browser()
    if program is None:
        raise SystemExit("pictures of a report need Chromium: install it, or leave them out with --only")
    with tempfile.TemporaryDirectory() as profile, chromium.Browser(program, Path(profile)) as browser:
        for name, views in pictures.items():
            if name in asked:
                save(beside([photograph(browser, page, view) for view in views]), name)


def main() -> None:
    """Draw what is asked for."""
    names = [TERMINAL_PICTURE, SHEET, *DEMO, *VICTIM]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--victim", type=Path, help="output of clean on the poisoned ResNet")
    parser.add_argument("--demo", type=Path, help="an earlier output of clipsan demo")
    parser.add_argument("--compared", action="append", default=[], help="NAME=FOLDER (repeatable)")
    parser.add_argument("--only", action="append", choices=names, help="these pictures (repeatable)")
    options = parser.parse_args()
    asked = set(options.only or ([] if options.compared else names))
    left = (VICTIM.keys() if options.victim is None else set()) | (
        {TERMINAL_PICTURE} if options.demo else set()
    )
    for name in sorted(asked & left):
        print(f"{name} stays as it is: see --help", file=sys.stderr)
    asked -= left
    start = Path.cwd()
    with tempfile.TemporaryDirectory() as made:
        if SHEET in asked:
            sheet, scenes = Path(made) / SHEET, Path(made) / "scenes"
            clipsan.synth(scenes, num=1, image_format="png")
            clipsan.show_triggers(image=next((scenes / "images").iterdir()), out=sheet, size=112)
            save(Image.open(sheet).convert("RGB"), SHEET)
        if asked & {TERMINAL_PICTURE, *DEMO}:
            folder = options.demo or Path(made) / "clipsan-demo"
            if options.demo is None:
                os.chdir(made)  # so that nothing drawn names a folder of this machine
                terminal(Path(folder.name))
                os.chdir(start)
            if asked & DEMO.keys():
                reports(folder / "cleaned" / "report.html", DEMO, asked)
    for given in options.compared:
        name, _, folder = given.partition("=")
        reports(Path(folder) / "compare.html", {f"compare-{name}.png": [CURVES]}, {f"compare-{name}.png"})
    if asked & VICTIM.keys():
        reports(options.victim / "report.html", VICTIM, asked)


if __name__ == "__main__":
    main()
