"""Values by their names and labels."""

from __future__ import annotations

from outbox.metrics.numbers import Family, Numbers


def test_what_is_added_twice_is_a_sum_by_its_labels() -> None:
    numbers = Numbers([Family("put", "counter", "", ("outbox", "type"))])

    numbers.add_all("put", {"a": 1, "b": 2}, "orders")
    numbers.add_all("put", {"b": 3}, "orders")
    numbers.add_all("put", {"b": 5}, "payments")

    assert numbers.values["put"] == {("orders", "a"): 1, ("orders", "b"): 5, ("payments", "b"): 5}
