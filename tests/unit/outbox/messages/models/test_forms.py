"""The error of a value that does not fit: where it is, and why."""

from __future__ import annotations

import pytest

from outbox.messages.models.forms import Inside, Unfit, short


def test_the_path_grows_from_the_inside() -> None:
    with pytest.raises(Unfit) as refused, Inside("lines"), Inside(1), Inside("sku"):
        raise Unfit("is missing")

    assert str(refused.value) == "lines[1].sku: is missing"
    assert (refused.value.why, refused.value.path) == ("is missing", ".lines[1].sku")


def test_a_value_is_shown_as_far_as_one_reads() -> None:
    assert short("a") == "'a'"
    assert len(short("a" * 1000)) == 61
