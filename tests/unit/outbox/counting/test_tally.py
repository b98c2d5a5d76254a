"""Counting what a process does."""

from __future__ import annotations

import threading

from outbox.counting.tally import Counts, Histogram, Tally


def test_a_declared_label_is_there_as_0() -> None:
    counts = Counts("a")
    counts.add("b", 2)

    counts.declare(["b", "c"])

    assert counts.all() == {"a": 0, "b": 2, "c": 0}


def test_a_value_counts_in_all_buckets_from_its_bound_on() -> None:
    histogram = Histogram((1.0, 2.0))

    histogram.add(1.0)
    histogram.add(1.5, 3)
    histogram.add(9.0)

    assert histogram.all() == (((1.0, 1), (2.0, 4), (float("inf"), 5)), 14.5)


def test_many_values_count_as_each_alone_would() -> None:
    values = [5.0, 0.5, 1.0, 2.0, 1.5, 1e9, 0.0]
    together, alone = Histogram((1.0, 2.0)), Histogram((1.0, 2.0))

    together.add_all(list(values))
    together.add_all([])
    for value in values:
        alone.add(value)

    assert together.all() == alone.all()


def test_ages_count_as_their_seconds_would() -> None:
    moments = [9_000, 8_000, 7_999, 12_000, 10_000, 0]
    ages, seconds = Histogram((0.5, 2.0)), Histogram((0.5, 2.0))

    ages.add_ages(10_000, list(moments))
    ages.add_ages(10_000, [])
    seconds.add_all([max(0.0, (10_000 - each) / 1000) for each in moments])

    assert ages.all() == seconds.all()


def test_threads_that_count_together_lose_nothing() -> None:
    counts = Counts()
    threads = [threading.Thread(target=lambda: [counts.add("a") for _ in range(5000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counts.all() == {"a": 20_000}


def test_a_reader_has_one_tally() -> None:
    tally = Tally()

    assert tally.reader("relay:kafka") is tally.reader("relay:kafka")
    assert list(tally.readers()) == ["relay:kafka"]
