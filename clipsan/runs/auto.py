"""`--tau auto` and `--lr auto`: short trainings that find settings for a model of which nothing is known.

Settings are good where both S pass tau within the first tenth of the updates, as they do in the published
runs, and where the contrastive loss on held-out pairs then comes back: as many updates without the push must
take back at least a third of what the push cost. Learning rates are tried upwards from the published one,
which is the gentlest that is known to do. Where none does both in a tenth, those that came furthest get a
quarter and then a half of the updates; where that fails too, and tau is to be found as well, lower ones are
tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from clipsan.checkpoint import Suspect
from clipsan.errors import DataError, TrainingError, UsageError
from clipsan.pairs import ImageReader, PairSet
from clipsan.report.tuning import Trial, Tuning
from clipsan.runs.material import Material
from clipsan.runs.trials import FALL, Bench, HeldOut
from clipsan.runs.watch import Watcher
from clipsan.training.settings import TrainSettings

RATES = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3)
"""Of the first update, in the order they are tried; the first is the published one."""
TAUS = (2.15, 2.0, 1.8, 1.5, 1.0)
"""Likewise: the first is the published one."""
TENTH, QUARTER, HALF = 10, 4, 2
AUTO = "auto"


@dataclass(frozen=True)
class Search:
    """What is to be found.

    Attributes:
        names: of tau, lr.
        tau: the number given, or the published one.
        lr: likewise.
    """

    names: tuple[str, ...]
    tau: float
    lr: float


def asked_search(
    method: str, tau: float | str, lr: float | str, held_out: float | None, lock: str | None = None
) -> Search:
    """Read `--tau` and `--lr`, each a number or `auto`.

    Raises:
        UsageError: one is neither, the method has no tau to reach, a tower is locked that cannot reach it, or
            nothing is held out to measure on.
    """
    numbers = {"tau": _number("--tau", tau), "lr": _number("--lr", lr)}
    names = tuple(name for name, number in numbers.items() if number is None)
    if names and method != "par":
        raise UsageError(
            f"--{names[0]} auto looks at how PAR's S grows, but --method is {method}: give a number"
        )
    if names and lock not in (None, "none"):
        raise UsageError(
            f"--{names[0]} auto looks at how S of both towers grows, but --lock {lock} keeps one: give a "
            "number"
        )
    if names and held_out == 0:
        raise UsageError(f"--{names[0]} auto measures on held-out pairs, but --held-out is 0: choose a share")
    published = TrainSettings()
    found_tau, found_lr = numbers["tau"], numbers["lr"]
    return Search(
        names,
        published.tau if found_tau is None else found_tau,
        published.lr if found_lr is None else found_lr,
    )


def _number(option: str, value: float | str) -> float | None:
    if isinstance(value, str) and value.strip().lower() == AUTO:
        return None
    try:
        return float(value)
    except ValueError:
        raise UsageError(f"{option} is {value!r}, but must be a number or {AUTO}") from None


def searched(
    names: Sequence[str],
    suspect: Suspect,
    material: Material,
    settings: TrainSettings,
    device: torch.device,
    watcher: Watcher,
) -> tuple[TrainSettings, Tuning | None]:
    """The settings of a run with what `names` asks for found in them, and the record of that, if any."""
    if not names:
        return settings, None
    if material.held_out is None:
        raise DataError("there are no held-out pairs to find settings with: raise --held-out")
    train_on = (material.train, material.reader)
    found, tuning = find_settings(suspect, train_on, material.held_out, settings, names, device, watcher)
    watcher.note(f"tau {found.tau:g}, learning rate {found.lr_start:g} to {found.lr:g}: {tuning.reason}")
    return found, tuning


def find_settings(
    suspect: Suspect,
    train_on: tuple[PairSet, ImageReader],
    held_out: PairSet,
    settings: TrainSettings,
    asked: Sequence[str],
    device: torch.device,
    watcher: Watcher,
) -> tuple[TrainSettings, Tuning]:
    """The settings with what `asked` names (tau, lr) found, and the record of the search.

    Args:
        suspect: its model is trained again and again, and is as it was afterwards.
        train_on: training pairs, and the reader of their images.
        held_out: pairs that the loss is measured on.
        settings: of the run; method `par`.
        asked: what is to be found.
        device: where to compute.
        watcher: hears of each trial.

    Raises:
        DataError: fewer than two held-out pairs can be decoded.
        TrainingError: no setting moves the model far enough.
    """
    bench = Bench(suspect, train_on, HeldOut.of(held_out, suspect), settings, device, watcher)
    trials: list[Trial] = []
    try:
        _try_rates(bench, RATES if "lr" in asked else (settings.lr_start,), settings.tau, trials)
        if "tau" in asked and not trials[-1].good:
            _try_taus(bench, settings.tau, trials)
    finally:
        bench.restore()
    return _chosen(settings, asked, trials)


def _try_rates(bench: Bench, rates: Sequence[float], tau: float, trials: list[Trial]) -> None:
    """Add trials until one is good: upwards for a tenth, then for longer those that came furthest.

    A rate at which tau was passed and the loss did not come back is not tried again, nor is a higher one.
    """
    for rate in rates:
        trials.append(bench.trial(rate, tau, TENTH))
        if trials[-1].reached is not None or _too_hot(trials[-1]):
            break
    for part in (QUARTER, HALF):
        if trials[-1].good:
            return
        for rate in _furthest(trials)[:2]:
            trial = bench.trial(rate, tau, part)
            trials.append(trial)
            if trial.good:
                return
            if trial.reached is None:
                break  # a lower rate does not get there either


def _try_taus(bench: Bench, tau: float, trials: list[Trial]) -> None:
    """Add trials with lower taus, at the rate that came furthest, until one is good."""
    rate = (_furthest(trials) or [min(trial.lr_start for trial in trials)])[0]
    reach = max(_progress(trial) for trial in trials if trial.lr_start == rate)
    for lower in (lower for lower in TAUS if lower < min(tau, reach)):
        trials.append(bench.trial(rate, lower, HALF))
        if trials[-1].good:
            return


def _furthest(trials: Sequence[Trial]) -> list[float]:
    """The rates that are not known to be too high, those that came furthest first."""
    hot = min((trial.lr_start for trial in trials if _too_hot(trial)), default=float("inf"))
    ordered = sorted((t for t in trials if t.lr_start < hot), key=_progress, reverse=True)
    return list(dict.fromkeys(trial.lr_start for trial in ordered))


def _too_hot(trial: Trial) -> bool:
    """Whether it lost too much: tau was passed, and what that cost did not come back; or it broke down."""
    return not trial.good and (trial.reached is not None or trial.s_image == 0)


def _progress(trial: Trial) -> float:
    """How far both encoders came."""
    return min(trial.s_image, trial.s_text)


def _chosen(
    settings: TrainSettings, asked: Sequence[str], trials: Sequence[Trial]
) -> tuple[TrainSettings, Tuning]:
    good = [trial for trial in trials if trial.good]
    reaching = [trial for trial in trials if trial.reached is not None]
    if good:
        chosen, back = good[-1], "and the held-out loss came back."
    elif reaching:
        chosen = min(reaching, key=lambda trial: trial.loss_recovered or 0.0)
        back = "but the held-out loss did not come back in the probe."
    else:
        best = max(trials, key=_progress)
        raise TrainingError(
            f"no learning rate that was tried moves the model past tau = {settings.tau:g} within the first "
            f"{best.push} updates (S_img {best.s_image:.2f}, S_txt {best.s_text:.2f} at {best.lr_start:g}): "
            "raise --steps, or try --tau auto as well, or --batch-norm train"
        )
    lr = chosen.lr_start / FALL if "lr" in asked else settings.lr
    found = replace(settings, tau=chosen.tau, lr_start=chosen.lr_start, lr=lr)
    reason = f"S passed tau within the first {chosen.push} updates, {back}"
    return found, Tuning(tuple(asked), found.tau, found.lr_start, found.lr, reason, tuple(trials))
