"""Capacities are given in bytes or as text, and have a floor."""

from __future__ import annotations

import pytest

from outbox import IncompatibleOutbox
from outbox.log import batch
from outbox.log.creation import least_capacity, parse_capacity


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
