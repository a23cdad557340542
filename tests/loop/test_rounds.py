"""The loop over models that are numbers: what it does next, what it keeps, when it stops."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from clipsan.evaluation.statistics import Rate
from clipsan.loop.budget import Budget
from clipsan.loop.plan import Left, first_plan, stronger
from clipsan.loop.rounds import close
from clipsan.loop.workshop import Finding, Measures
from clipsan.report.rounds import Weakened
from clipsan.triggers import parse_triggers

BUDGET = Budget(0.05, 3.0)


def _trigger(name, target="fish"):
    (made,) = parse_triggers(["stripes"], (16, 16))
    made.name, made.target = name, target
    return made


@dataclass(frozen=True)
class Version:
    """A model: how often it answers triggers in percent, what it lost, and the scan's evidence."""

    asr: int
    drop: float
    evidence: tuple[str, ...] = ()
    costly: bool = False
    back: int = 0
    beside: tuple[str, ...] = ()  # classes that stand out in the suspect beside it, by a strip or a wave
    left: int = 1  # how often it answers those in percent
    trainings: int = 1


@dataclass
class Bench:
    """Gives the versions of a list, one for each training; the line makes them better by its share."""

    trained: list[Version]
    start: Version = Version(90, 0.0, ("patch",))
    gain: float = 0.0
    wave: float = 0.0
    grown: int = 0
    texts: bool = True
    calls: list = field(default_factory=list)
    looked: list = field(default_factory=list)

    def suspect(self):
        return self.start

    def texts_are_clean(self):
        return self.texts

    def scan(self, model):
        return [
            Finding(_trigger(name), "fish", "patch", Rate(model.asr, 100), 9.0, 12.0, True, model.costly)
            for name in model.evidence
        ]

    def strong(self):
        return [_trigger("wave")] if self.wave else []

    def look_back(self, cleaned, known):
        self.looked.append((cleaned, [trigger.name for trigger in known]))
        found = []
        for each in cleaned.beside:
            target, _, kind = each.partition(" by ")
            name, rates = f"{target} by {kind or 'strip'}", (Rate(90, 100), Rate(cleaned.left, 100))
            back = Weakened(name, kind or "strip", target, *rates, 9.0, 12.0, kind == "wave")
            found.append((_trigger(name, target), back))
        return found

    def fine_tune(self, plan, triggers):
        self.calls.append((plan, [trigger.name for trigger in triggers]))
        return self.trained[len(self.calls) - 1], {"lr": 1.0}

    def average(self, best, other):
        trainings = best.trainings + other.trainings
        drop = (best.drop * best.trainings + other.drop * other.trainings) / trainings
        return Version(max(best.asr, other.asr), drop, trainings=trainings)

    def between(self, cleaned, share):
        return Version(cleaned.asr, cleaned.drop - self.gain * share, back=round(self.wave * share))

    def measure(self, model, triggers):
        rates = [
            model.back
            if trigger.name == "wave"
            else self.grown
            if trigger.name == "grown" and model is self.start
            else model.asr
            for trigger in triggers
        ]
        asr = tuple(Rate(rate, 100) for rate in rates)
        return Measures(asr, 0.6 - model.drop / 100, model.drop, 0.5)


def test_one_round_is_enough_where_it_meets_the_budget():
    bench = Bench([Version(4, 2.0)])
    ended = close(bench, BUDGET, effort=3, method="par")
    assert ended.met and "was met by round 1" in ended.words and "may be stronger" in ended.words
    assert "2.0 points of accuracy are lost" in ended.words
    assert [(made.number, made.step, made.kept) for made in ended.rounds] == [
        (0, "suspect", False),
        (1, "fine-tuning", True),
    ]
    ((plan, stamped),) = bench.calls
    assert plan.method == "par" and stamped == ["patch"]
    assert ended.rounds[1].asr == 0.04 and ended.rounds[1].against == ("patch",)
    assert [trigger.name for trigger in ended.known] == ["patch"]


def test_what_a_later_scan_finds_is_fought_next_from_the_suspect():
    bench = Bench([Version(40, 1.0, ("patch", "blend")), Version(2, 2.0)])
    ended = close(bench, BUDGET, effort=3, method="par")
    assert ended.met and ended.best.round.number == 2
    plan, stamped = bench.calls[1]
    assert plan.pull == 1.0 and not plan.averaged
    assert stamped == ["patch", "patch (round 1)", "blend"]
    assert not ended.rounds[0].kept and ended.rounds[1].over == 35.0


def test_a_costly_trigger_is_stamped_only_where_it_survives():
    suspect = Version(90, 0.0, ("smooth",), costly=True)
    gone = Bench([Version(4, 2.0)], suspect)
    close(gone, BUDGET, effort=2, method="par")
    assert gone.calls[0][1] == []
    left = Bench([Version(30, 2.0), Version(4, 2.0)], suspect)
    close(left, BUDGET, effort=2, method="par")
    assert [call[1] for call in left.calls] == [[], ["smooth"]]


def test_lost_accuracy_is_bought_back_on_the_line_or_by_averaging():
    bench = Bench([Version(4, 4.0)], gain=5.0)
    ended = close(bench, BUDGET, effort=3, method="par")
    assert ended.met and len(bench.calls) == 1
    bought = ended.rounds[-1]
    assert bought.step == "interpolation" and bought.settings == {"share": 0.4} and bought.drop == 2.0
    assert [point.share for point in bought.line] == [0.0, 0.1, 0.2, 0.3, 0.4]

    stuck = Bench([Version(40, 4.0), Version(4, 5.0), Version(4, 3.0), Version(4, 1.0)])
    ended = close(stuck, BUDGET, effort=4, method="par")
    # the attack first; then the same plan with other seeds, and the mean of 5.0, 3.0 and 1.0 points
    assert [(plan.pull, plan.seed_more) for plan, _ in stuck.calls] == [
        (0.0, 0),
        (1.0, 0),
        (1.0, 1),
        (1.0, 2),
    ]
    assert [made.drop for made in ended.rounds] == [0.0, 4.0, 5.0, 4.0, 3.0]
    assert ended.met and ended.best.model.trainings == 3
    assert ended.rounds[3].done.endswith("averaged with round 2")


def test_a_budget_that_is_not_met_keeps_the_best_and_says_so():
    bench = Bench([Version(30, 2.0), Version(10, 4.0), Version(50, 0.0)])
    ended = close(bench, BUDGET, effort=3, method="par")
    assert not ended.met and ended.best.model == bench.trained[1]
    assert "was not met within 3 rounds" in ended.words and "succeed on 10.0 % of the images" in ended.words
    assert [made.kept for made in ended.rounds] == [False, True, True, False]


def test_nothing_found_is_still_cleaned_once():
    bench = Bench([Version(0, 1.0)], Version(0, 0.0))
    told: list[str] = []
    ended = close(bench, BUDGET, effort=3, method="par", tell=told.append)
    assert ended.met and bench.calls[0][1] == [] and ended.known == ()
    assert told[0] == "Round 0, the suspect: the scan found no evidence"


def test_the_line_ends_where_something_else_comes_back():
    bench = Bench([Version(4, 4.0), Version(4, 4.0)], gain=5.0, wave=20.0)
    ended = close(bench, BUDGET, effort=1, method="par")
    bought = ended.rounds[-1]
    assert [(point.share, point.revived) for point in bought.line] == [
        (0.0, 0.0),
        (0.1, 0.02),
        (0.2, 0.04),
        (0.3, 0.06),
    ]
    assert bought.settings == {"share": 0.2} and bought.drop == 3.0


def test_the_suspect_is_never_mixed_in_where_nothing_is_known_of_its_backdoors():
    bench = Bench([Version(0, 4.0), Version(0, 3.5)], Version(0, 0.0), gain=10.0)
    ended = close(bench, BUDGET, effort=2, method="par")
    assert [made.step for made in ended.rounds] == ["suspect", "fine-tuning", "fine-tuning"]
    assert not ended.met and ended.rounds[2].drop == 3.75 and bench.calls[1][0].method == "par"


def test_a_mean_that_is_no_better_is_left_and_another_seed_tried():
    bench = Bench([Version(4, 4.0), Version(9, 2.0), Version(4, 2.0)])
    ended = close(bench, BUDGET, effort=3, method="par")
    assert [plan.seed_more for plan, _ in bench.calls] == [0, 1, 2]
    assert [made.kept for made in ended.rounds] == [False, True, False, True]
    assert ended.met and ended.rounds[3].done.endswith("averaged with round 1")


def test_attacks_are_fought_harder_each_time():
    def plans_of(lock):
        rounds = (stronger("par", Left(2.0, 0.0), attacked, lock=lock) for attacked in range(3))
        return [first_plan("par", True, lock=lock), *rounds]

    plans = plans_of(lock=False)
    assert [plan.tau_more for plan in plans] == [0.0, 0.0, 0.2, 0.4]
    assert not any(plan.lock for plan in plans)
    plans = plans_of(lock=True)
    assert [plan.tau_more for plan in plans] == [0.35, 0.35, 0.2, 0.4]
    assert [plan.lock for plan in plans] == [True, True, False, False]
    assert [plan.pull for plan in plans] == [0.0, 1.0, 1.0, 1.0]
    assert [plan.share for plan in plans] == [0.5, 0.5, 0.625, 0.75]
    assert all(plan.method == "par" and not plan.averaged for plan in plans)


def test_the_text_tower_is_locked_where_it_may_be_and_is_clean():
    def locks(**options):
        bench = Bench([Version(4, 4.0), Version(4, 2.0)], texts=options.pop("texts", True))
        made = close(bench, BUDGET, effort=2, method="par", **options).rounds
        locked = [plan.lock for plan, _ in bench.calls]
        assert ["the text tower locked" in each.done for each in made[1:]] == locked
        return locked

    assert locks() == [True, True]
    assert locks(texts=False) == locks(may_lock=False) == [False, False]


def test_what_stands_out_in_a_trained_model_alone_was_not_planted():
    def ended(on_suspect):
        return close(
            Bench([Version(40, 2.0, ("grown",)), Version(4, 2.0)], Version(0, 0.0), grown=on_suspect),
            BUDGET, effort=3, method="par",
        )  # fmt: skip

    for weak in (0, 38, 44):  # of the suspect's images in percent, beside 40 of the trained model's
        loop = ended(weak)
        assert loop.met and loop.known == () and loop.best.round.number == 1 and loop.best.round.asr == 0.0
        (found,) = loop.rounds[1].found
        assert not found.evidence and found.on_suspect == Rate(weak, 100) and found.asr == Rate(40, 100)
    for planted in (46, 90):
        loop = ended(planted)
        assert [trigger.name for trigger in loop.known] == ["grown"] and loop.rounds[1].asr == 0.4
        assert loop.best.round.number == 2


def test_what_only_looking_back_names_is_fought_next():
    suspect, seen = Version(0, 0.0), ("cat", "dog")
    bench = Bench([Version(1, 0.0, beside=seen), Version(0, 2.0, beside=seen)], suspect, gain=0.0)
    ended = close(bench, BUDGET, effort=3, method="par")
    assert [stamped for _, stamped in bench.calls] == [[], ["cat by strip", "dog by strip"]]
    plan, _ = bench.calls[1]
    assert plan.why.startswith("looking back named cat, dog") and plan.pull == 1.0 and plan.lock
    first, second = ended.rounds[1:]
    # 1 % is within the budget, and no sign that what was planted is: each class counts 5 points
    assert first.unfought == ("cat", "dog") and first.over == 10.0 and first.asr == 0.01
    assert [(attack.trigger, attack.asr.rate) for attack in first.attacks] == [
        ("cat by strip", 0.01),
        ("dog by strip", 0.01),
    ]
    assert second.unfought == () and second.over == 0.0 and second.kept
    assert ended.met and ended.best.round.number == 2 and ended.looked_back[0].target == "cat"
    assert [trigger.name for trigger in ended.known] == ["cat by strip", "dog by strip"]
    assert [known for _, known in bench.looked] == [[], ["cat by strip", "dog by strip"]]
    assert [back.target for back in second.looked_back] == ["cat", "dog"]


def test_what_was_known_when_looking_back_names_it_costs_no_training():
    suspect = Version(90, 0.0, ("patch",))
    ended = close(
        bench := Bench([Version(4, 2.0, beside=("fish",))], suspect), BUDGET, effort=3, method="par"
    )
    assert ended.met and len(bench.calls) == 1 and ended.rounds[1].unfought == ()
    assert [trigger.name for trigger in ended.known] == ["patch"]
    assert [trigger.name for trigger in ended.looked_back] == ["fish by strip"]


def test_a_known_class_is_fought_again_where_another_trigger_of_it_survives():
    suspect = Version(90, 0.0, ("patch",))
    survives = Version(4, 2.0, beside=("fish by wave",), left=6)
    bench = Bench([survives, Version(3, 2.5, beside=("fish by wave",), left=5)], suspect)
    ended = close(bench, BUDGET, effort=3, method="par")
    first, *_, last = ended.rounds[1:]
    assert first.unfought == () and (first.asr, first.over) == (0.06, pytest.approx(1.0))
    assert [stamped for _, stamped in bench.calls] == [["patch"], ["patch", "fish by wave"]]
    assert ended.met and ended.best.round is last and last.asr == 0.03


def test_a_class_that_no_training_fought_leaves_the_budget_unmet():
    bench = Bench([Version(1, 0.0, beside=("cat",))], Version(0, 0.0))
    ended = close(bench, BUDGET, effort=1, method="par")
    assert not ended.met and ended.words.endswith(
        "Looking back named cat, which that model was not trained against."
    )
    # a training against it that costs more than the class counts is not kept
    dear = Bench([Version(1, 0.0, beside=("cat",)), Version(0, 9.0)], Version(0, 0.0))
    ended = close(dear, BUDGET, effort=2, method="par")
    assert ended.best.round.number == 1 and [made.over for made in ended.rounds] == [0.0, 5.0, 6.0]
    fair = Bench([Version(1, 0.0, beside=("cat",)), Version(0, 7.0)], Version(0, 0.0))
    assert close(fair, BUDGET, effort=2, method="par").best.round.number == 2


def test_costly_triggers_named_back_are_stamped_only_where_they_survive():
    def calls(left):
        bench = Bench([Version(0, 1.0, beside=("cat by wave",), left=left), Version(0, 2.0)], Version(0, 0.0))
        ended = close(bench, BUDGET, effort=2, method="par")
        assert [trigger.name for trigger in ended.known] == ["cat by wave"] and ended.met
        return [stamped for _, stamped in bench.calls]

    assert calls(left=5) == [[]]
    assert calls(left=6) == [[], ["cat by wave"]]


def test_what_cleaning_hardly_weakened_is_not_taken_for_planted():
    bench = Bench([Version(0, 1.0, beside=("cat",), left=31)], Version(0, 0.0))
    ended = close(bench, BUDGET, effort=2, method="par")
    assert ended.met and ended.known == () and ended.rounds[1].looked_back == ()
    bench = Bench([Version(0, 1.0, beside=("cat",), left=30)], Version(0, 0.0))
    ended = close(bench, BUDGET, effort=1, method="par")
    assert not ended.met and ended.rounds[1].asr == 0.3 and ended.rounds[1].unfought == ("cat",)
