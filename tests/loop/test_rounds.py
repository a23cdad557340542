"""The loop over models that are numbers: what it does next, what it keeps, when it stops."""

from __future__ import annotations

from dataclasses import dataclass, field

from clipsan.evaluation.statistics import Rate
from clipsan.loop.budget import Budget
from clipsan.loop.plan import Left, next_plan
from clipsan.loop.rounds import close
from clipsan.loop.workshop import Finding, Measures
from clipsan.triggers import parse_triggers

BUDGET = Budget(0.05, 3.0)


def _trigger(name):
    (made,) = parse_triggers(["stripes"], (16, 16))
    made.name = name
    return made


@dataclass(frozen=True)
class Version:
    """A model: how often it answers triggers in percent, what it lost, and the scan's evidence."""

    asr: int
    drop: float
    evidence: tuple[str, ...] = ()
    costly: bool = False


@dataclass
class Bench:
    """Gives the versions of a list, one for each training; the line makes them better by its share."""

    trained: list[Version]
    start: Version = Version(90, 0.0, ("patch",))
    gain: float = 0.0
    calls: list = field(default_factory=list)

    def suspect(self):
        return self.start

    def scan(self, model):
        return [
            Finding(_trigger(name), "fish", "patch", Rate(model.asr, 100), 9.0, 12.0, True, model.costly)
            for name in model.evidence
        ]

    def fine_tune(self, start, plan, triggers):
        self.calls.append((start, plan, [trigger.name for trigger in triggers]))
        return self.trained[len(self.calls) - 1], {"lr": 1.0}

    def between(self, cleaned, share):
        return Version(cleaned.asr, cleaned.drop - self.gain * share)

    def measure(self, model, triggers):
        return Measures((Rate(model.asr, 100),) * len(triggers), 0.6 - model.drop / 100, model.drop, 0.5)


def test_one_round_is_enough_where_it_meets_the_budget():
    bench = Bench([Version(4, 2.0)])
    ended = close(bench, BUDGET, effort=3, method="par")
    assert ended.met and "was met by round 1" in ended.words
    assert [(made.number, made.step, made.kept) for made in ended.rounds] == [
        (0, "suspect", False),
        (1, "fine-tuning", True),
    ]
    ((start, plan, stamped),) = bench.calls
    assert start is bench.start and plan.method == "par" and stamped == ["patch"]
    assert ended.rounds[1].asr == 0.04 and ended.rounds[1].against == ("patch",)
    assert [trigger.name for trigger in ended.known] == ["patch"]


def test_what_a_later_scan_finds_is_fought_next_from_the_suspect():
    bench = Bench([Version(40, 1.0, ("patch", "blend")), Version(2, 2.0)])
    ended = close(bench, BUDGET, effort=3, method="par")
    assert ended.met and ended.best.round.number == 2
    start, plan, stamped = bench.calls[1]
    assert start is bench.start and plan.pull == 1.0
    assert stamped == ["patch", "patch (round 1)", "blend"]
    assert not ended.rounds[0].kept and ended.rounds[1].over == 35.0


def test_a_costly_trigger_is_stamped_only_where_it_survives():
    suspect = Version(90, 0.0, ("smooth",), costly=True)
    gone = Bench([Version(4, 2.0)], suspect)
    close(gone, BUDGET, effort=2, method="par")
    assert gone.calls[0][2] == []
    left = Bench([Version(30, 2.0), Version(4, 2.0)], suspect)
    close(left, BUDGET, effort=2, method="par")
    assert [call[2] for call in left.calls] == [[], ["smooth"]]


def test_lost_accuracy_is_bought_back_on_the_line_or_by_recovery():
    bench = Bench([Version(4, 4.0)], gain=10.0)
    ended = close(bench, BUDGET, effort=3, method="par")
    assert ended.met and len(bench.calls) == 1
    bought = ended.rounds[-1]
    assert bought.step == "interpolation" and bought.settings == {"share": 0.2} and bought.drop == 2.0
    assert [point.share for point in bought.line] == [0.0, 0.05, 0.1, 0.2]

    stuck = Bench([Version(4, 4.0), Version(4, 2.9)])
    ended = close(stuck, BUDGET, effort=3, method="par")
    assert ended.met and stuck.calls[1][0] == stuck.trained[0]
    assert stuck.calls[1][1].method == "finetune"


def test_a_budget_that_is_not_met_keeps_the_best_and_says_so():
    bench = Bench([Version(30, 2.0), Version(10, 4.0), Version(50, 0.0)])
    ended = close(bench, BUDGET, effort=3, method="par")
    assert not ended.met and ended.best.model == bench.trained[1]
    assert "was not met within 3 rounds" in ended.words and "attack success 10.0 %" in ended.words
    assert [made.kept for made in ended.rounds] == [False, True, True, False]


def test_nothing_found_is_still_cleaned_once():
    bench = Bench([Version(0, 1.0)], Version(0, 0.0))
    told: list[str] = []
    ended = close(bench, BUDGET, effort=3, method="par", tell=told.append)
    assert ended.met and bench.calls[0][2] == [] and ended.known == ()
    assert told[0] == "Round 0, the suspect: the scan found no evidence"


def test_the_suspect_is_never_mixed_in_where_nothing_is_known_of_its_backdoors():
    bench = Bench([Version(0, 4.0), Version(0, 3.5)], Version(0, 0.0), gain=10.0)
    ended = close(bench, BUDGET, effort=2, method="par")
    assert [made.step for made in ended.rounds] == ["suspect", "fine-tuning", "fine-tuning"]
    assert not ended.met and ended.best.model == bench.trained[1]
    start, plan, _ = bench.calls[1]
    assert start == bench.trained[0] and plan.method == "finetune"


def test_attacks_are_fought_harder_each_time():
    plans = [next_plan("par", Left(2.0, 0.0), attacked, 0) for attacked in range(3)]
    assert [plan.tau_more for plan in plans] == [0.0, 0.2, 0.4]
    assert [plan.share for plan in plans] == [0.5, 0.625, 0.75]
    assert all(plan.start == "suspect" and plan.method == "par" for plan in plans)
