"""A closed loop and a probe of settings as sentences and rows of plain text."""

from __future__ import annotations

from collections.abc import Iterator

from clipsan.report.rounds import ClosedLoop, Round
from clipsan.report.tuning import Tuning
from clipsan.report.wording import percent, printable

_FOUND_SHOWN = 5


def loop_lines(loop: ClosedLoop) -> Iterator[str]:
    """How the loop went, a sentence for each round."""
    yield loop.outcome
    yield (
        f"Never told a trigger. Attack success: the highest of all inverted triggers with evidence, on the "
        f"images of {loop.pairs} held-out pairs and over {loop.classes} classes. {_accuracy(loop)}"
    )
    for each in loop.rounds:
        yield _round_line(each)
        if each.looked_back is not None:
            yield _back(each)


def round_rows(loop: ClosedLoop) -> list[list[str]]:
    """A row for each round."""
    rows = [["Round", "Done", "Evidence in the scan after it", "ASR", "Accuracy", "Lost", "Kept", "Seconds"]]
    for each in loop.rounds:
        lost = "0" if each.step == "suspect" else f"{each.drop:.1f} ± {each.drop_error:.1f}"
        kept = "written" if each.number == loop.chosen else "yes" if each.kept else "no"
        rows.append(
            [
                str(each.number), printable(each.done), _found(each) or "none", percent(each.asr),
                percent(each.accuracy), lost, "" if each.step == "suspect" else kept, f"{each.seconds:.0f}",
            ]
        )  # fmt: skip
    return rows


def found_rows(loop: ClosedLoop) -> list[list[str]]:
    """Every trigger with evidence and what it does to the model of each round."""
    names = list(dict.fromkeys(found.name for each in loop.rounds for found in each.found if found.evidence))
    rows = [["Inverted trigger", *(f"round {each.number}" for each in loop.rounds)]]
    for name in names:
        row = [printable(name, 80)]
        for each in loop.rounds:
            rates = [attack.asr for attack in each.attacks if attack.trigger == name]
            rates += [found.asr for found in each.found if found.name == name]
            row.append(percent(rates[0].rate or 0.0) if rates else "")
        rows.append(row)
    return rows if names else []


def tuning_lines(tuning: Tuning) -> Iterator[str]:
    """What the probe chose."""
    yield (
        f"Found by a probe for {' and '.join(tuning.asked)}: tau = {tuning.tau:g}, learning rate "
        f"{tuning.lr_start:.3g} → {tuning.lr:.3g}. {tuning.reason}"
    )


def tuning_rows(tuning: Tuning) -> list[list[str]]:
    """A row for each short training."""
    rows = [["lr start", "tau", "S_img", "S_txt", "Both past tau at", "Held-out loss", "Judged"]]
    for each in tuning.trials:
        losses = (each.loss_before, each.loss_pushed, each.loss_recovered)
        rows.append(
            [
                f"{each.lr_start:.3g}", f"{each.tau:g}", f"{each.s_image:.2f}", f"{each.s_text:.2f}",
                "never" if each.reached is None else f"update {each.reached} of {each.push}",
                " → ".join(f"{loss:.2f}" for loss in losses if loss is not None), printable(each.why),
            ]
        )  # fmt: skip
    return rows


def _accuracy(loop: ClosedLoop) -> str:
    if loop.accuracy_on == "held-out pairs":
        return (
            f"Accuracy: the chance of an image of these pairs to find its own caption among {loop.ways} that "
            "are drawn."
        )
    return (
        f"Accuracy: that on {loop.accuracy_n} of the labelled images, drawn at random; the clean accuracy "
        "in the results is on all of them, and the choice of a round has not seen the others."
    )


def _back(each: Round) -> str:
    """What the suspect does and the model of a round does not, by every kind of trigger."""
    whose = f"round {each.number}"
    start = f"Looking back at the suspect, with {whose} as its reference, by every kind of trigger: "
    if not each.looked_back:
        return start + "no class stands out."
    shown = [
        f"{printable(back.name, 80)} ({percent(back.suspect.rate or 0.0)}; in {whose} "
        f"{percent(back.cleaned.rate or 0.0)})"
        for back in sorted(each.looked_back, key=lambda back: -back.z_over)
    ]
    unfought = (
        f" No training had fought {', '.join(printable(name, 80) for name in each.unfought)} by then: what "
        "was planted may be stronger than what was found."
        if each.unfought
        else ""
    )
    return f"{start}{', '.join(shown)}. That is evidence of a backdoor, not proof.{unfought}"


def _round_line(each: Round) -> str:
    if each.step == "suspect":
        return f"Round 0, the suspect: the scan found {_found(each) or 'no evidence'}."
    kept = "It was kept as the best so far." if each.kept else "It was not kept."
    return (
        f"Round {each.number}: {printable(each.done)} ({printable(each.why)}). After it the scan found "
        f"{_found(each) or 'no evidence'}; attack success {percent(each.asr)}, {each.drop:.1f} ± "
        f"{each.drop_error:.1f} points of accuracy lost. {kept}{_leaned(each)}"
    )


def _leaned(each: Round) -> str:
    """What stood out in a trained model and is no evidence, because the suspect follows it no further."""
    shown = [
        f"{printable(found.name, 80)} ({percent(found.asr.rate or 0.0)}; on the suspect "
        f"{percent(found.on_suspect.rate or 0.0)})"
        for found in each.found
        if found.on_suspect is not None and not found.evidence
    ]
    if not shown:
        return ""
    return f" It stood out, but the suspect follows it no further, so it was not planted: {', '.join(shown)}."


def _found(each: Round) -> str:
    evidence = [found for found in each.found if found.evidence]
    shown = [f"{printable(f.name, 80)} ({percent(f.asr.rate or 0.0)})" for f in evidence[:_FOUND_SHOWN]]
    more = len(evidence) - len(shown)
    return ", ".join([*shown, *([f"{more} more"] if more else [])])
