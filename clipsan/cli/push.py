"""`clipsan push`."""

from __future__ import annotations

import json as json_module
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from clipsan.cli import options
from clipsan.cli.errors import RunInterruptedError
from clipsan.cli.output import VERDICT_STYLE, Output

if TYPE_CHECKING:
    from clipsan.runs.push import Pushed


def push(
    hub_repo: Annotated[
        str, typer.Option("--hub-repo", metavar="ORG/NAME", help="The repository; created where missing.")
    ],
    folder: Annotated[
        str | None, typer.Argument(metavar="DIR", help="What clean wrote; the newest here without it.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Create it as private.")] = False,
    revision: Annotated[
        str | None,
        typer.Option("--revision", metavar="BRANCH", help="Commit to this branch; created where missing."),
    ] = None,
    create_pr: Annotated[
        bool, typer.Option("--create-pr", help="Open a pull request instead of committing.")
    ] = False,
    commit_message: Annotated[
        str | None, typer.Option("--commit-message", metavar="TEXT", help="The commit's first line.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check all, show files and card, and ask the hub nothing.")
    ] = False,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="TOKEN",
            help="Better set HF_TOKEN, or run hf auth login: others can see a command line.",
            show_default=False,
        ),
    ] = None,
    yes_poisoned: Annotated[
        bool, typer.Option("--yes-poisoned", help="Publish a model with a planted backdoor, marked as such.")
    ] = False,
    json: Annotated[
        bool,
        typer.Option("--json", help="What was done as JSON on stdout.", rich_help_panel=options.OUTPUT),
    ] = False,
    quiet: options.Quiet = False,
) -> None:
    """Upload an output folder to the Hugging Face hub, with a model card.

    Examples:

      clipsan push --hub-repo ORG/NAME

      clipsan push cleaned --hub-repo ORG/NAME --private --dry-run
    """
    output = Output(json=json, quiet=quiet, verbose=False)
    from clipsan.runs.push import push as run

    try:
        done = run(
            folder, hub_repo=hub_repo, private=private, revision=revision, create_pr=create_pr,
            commit_message=commit_message, dry_run=dry_run, token=token, yes_poisoned=yes_poisoned,
            watcher=None if quiet else output.watcher(),
        )  # fmt: skip
    except KeyboardInterrupt:
        raise RunInterruptedError("run the same command again; what was uploaded is kept.") from None
    if json:
        sys.stdout.write(json_module.dumps(done.to_dict(), indent=2, ensure_ascii=False) + "\n")
    else:
        _show(output, done)


def _show(output: Output, done: Pushed) -> None:
    from clipsan.report.wording import printable

    if done.dry_run:
        output.words.print(Text(done.card.rstrip(), style="dim"))
        output.words.print()
    output.table([["File", "Bytes"], *([file.name, f"{file.size:,}"] for file in done.files)])
    who = {True: "private", False: "public", None: "public unless its owner's default is private"}[
        done.private
    ]
    if done.dry_run:
        heading = f"Dry run: nothing was sent. This would go to {done.url} ({who})"
    elif done.changed:
        heading = f"Pushed to {done.url} ({who}), commit {done.commit}"
    else:
        heading = f"Nothing has changed at {done.url} ({who}), commit {done.commit}"
    output.words.print(Text(heading, style="bold"))
    if done.verdict != "pass":
        output.words.print(
            Text(
                f"  Verdict: {done.verdict.upper()}, as the card says at its top", VERDICT_STYLE[done.verdict]
            )
        )
    if done.poisoned:
        output.sentence("The model is poisoned, and tagged as such.", "bold red")
    for note in done.notes:
        output.sentence(f"Note: {printable(note, 2000)}", "yellow")
