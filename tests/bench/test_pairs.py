"""Comparing by turns."""

from __future__ import annotations

import pytest

from bench.rig.benchmark import Figures, InTurns, Round, measure, pairs


class Fixed(InTurns):
    bare_is = "the other"

    def __init__(self) -> None:
        self._rounds = iter([(3.0, 1.0), (8.0, 2.0), (10.0, 5.0)])

    def ours(self) -> Figures:
        mine, self._other = next(self._rounds)
        return {"messages/s": mine, "commands": 7.0}

    def bare(self) -> Figures:
        return {"messages/s": self._other}


def test_each_pair_has_both_and_whoever_begins_ends_the_next_one() -> None:
    done: list[str] = []
    pairs("ms", 3, lambda number: done.append(f"ours {number}"), lambda number: done.append(f"bare {number}"))
    assert done == ["ours 0", "bare 0", "bare 1", "ours 1", "ours 2", "bare 2"]


def test_the_ratio_is_the_median_pairs_and_not_that_of_the_medians(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    took = {"ours": (1.0, 20.0, 30.0), "bare": (10.0, 2.0, 10.0)}  # ratios 0.1, 10 and 3; of the medians 2

    def work(which: str, number: int) -> None:
        nonlocal clock
        clock += took[which][number]

    monkeypatch.setattr("time.perf_counter", lambda: clock)
    done = pairs("ms", 3, lambda number: work("ours", number), lambda number: work("bare", number))
    assert done == Round({"ms": 20_000}, {"ms": 10_000}, {"ms": 3.0})


def test_a_ratio_is_of_one_round() -> None:
    measured = measure("fixed", Fixed(), 3)
    assert measured.ratio == {"messages/s": [3.0, 4.0, 2.0]}


def test_what_the_other_does_not_have_is_compared_with_nothing() -> None:
    measured = measure("fixed", Fixed(), 2)
    assert measured.ours["commands"] == [7.0, 7.0]
    assert "commands" not in measured.bare
    assert "commands" not in measured.ratio
