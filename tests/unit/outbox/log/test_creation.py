"""Capacities are given in bytes or as text, and have a floor."""

from __future__ import annotations

import pytest

from outbox import IncompatibleOutbox, InvalidName
from outbox.creation_checks import least_capacity, parse_capacity
from outbox.log import batch
from outbox.mongo.collections import NAME


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (4096, 4096),
        ("4096", 4096),
        ("256 MiB", 2**28),
        ("1gib", 2**30),
        ("3 MB", 3_000_000),
        (" 5KiB ", 5120),
        ("7 B", 7),
    ],
)
def test_a_size_is_bytes_or_a_number_with_a_unit(text: int | str, size: int) -> None:
    assert parse_capacity(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "1.5 GiB", "-1", -1, "1 TB", "1 iB", "1 M"])
def test_anything_else_is_refused(text: int | str) -> None:
    with pytest.raises(IncompatibleOutbox, match="is not a size"):
        parse_capacity(text)


@pytest.mark.parametrize("largest", [1, batch.MAX_BYTES, batch.LARGEST_MESSAGE])
def test_four_maximal_batches_fit_into_the_least_capacity(largest: int) -> None:
    assert least_capacity(largest) >= 4 * (max(largest, batch.MAX_BYTES) + batch.ENVELOPE_BYTES)


@pytest.mark.parametrize("name", ["outbox", "A", "a_b-9", "a" * 64])
def test_a_name_is_a_letter_and_up_to_63_more_signs(name: str) -> None:
    assert NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "9a", "_a", "a.b", "a b", "a$", "ä", "a" * 65, "a\n"])
def test_other_names_are_none(name: str) -> None:
    assert not NAME.fullmatch(name)
    assert issubclass(InvalidName, Exception)
