"""What may be typed after --until and --effort."""

from __future__ import annotations

import pytest

from clipsan.errors import UsageError
from clipsan.loop.budget import Budget, parse_budget, parse_effort


@pytest.mark.parametrize(
    ("text", "asr", "drop"),
    [
        ("asr<=5%,drop<=3", 0.05, 3),
        (" DROP <= 2.5 , asr =< 1 % ", 0.01, 2.5),
        ("asr≤5", 0.05, 4),
        ("drop<=0", 0.1, 0),
    ],
)
def test_limits_are_read_and_those_of_the_verdict_stand_in(text, asr, drop):
    assert parse_budget(text, max_asr=10, max_drop=4) == Budget(pytest.approx(asr), drop)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "an empty part"),
        ("asr<=5%,", "an empty part"),
        ("5%", "'5%'"),
        ("asr<5%", "with <="),
        ("asr>=5%", "with <="),
        ("asr=5%", "with <="),
        ("ars<=5%", "did you mean asr"),
        ("accuracy<=3", "asr .* and drop"),
        ("asr<=five", "'five' is not a number"),
        ("asr<=101", "0 to 100"),
        ("asr<=nan", "0 to 100"),
        ("drop<=3%", "percentage points, so write drop<=3"),
        ("asr<=5,asr<=3", "twice"),
    ],
)
def test_what_is_no_budget_is_explained(text, said):
    with pytest.raises(UsageError, match=said):
        parse_budget(text, 10, 5)


def test_effort():
    assert [parse_effort(text) for text in ("quick", " Normal", "thorough", "7")] == [1, 3, 6, 7]
    for text in ("0", "51", "-1", "1.5", "much", "", "²"):
        with pytest.raises(UsageError, match="--effort"):
            parse_effort(text)


def test_excess_adds_what_is_over_both_limits():
    budget = Budget(0.05, 3.0)
    assert budget.excess(0.05, 3.0) == 0 == budget.excess(0.0, -4.0)
    assert budget.excess(0.07, 3.5) == pytest.approx(2.5)
