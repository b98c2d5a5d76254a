"""What client and server both take, both refuse, and what only the client checks: message classes of every kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymongo.errors import WriteError

from outbox.messages.documents.fields import STORED
from tests.integration.outbox.messages.field_cases import CASES
from tests.integration.outbox.messages.model_cases import MODEL_CASES
from tests.integration.outbox.messages.parity import ALL, DOCUMENT_VALIDATION_FAILURE, REFUSED, Declared, Pair, Tried

pytestmark = pytest.mark.oldest_server
Make = Callable[[Callable[[], Declared]], Pair]


def expand(of: str) -> list[Any]:
    return [
        pytest.param(tried, ours, raw, id=f"{tried.name}-{position}")
        for tried in ALL
        for position, (ours, raw) in enumerate(tried.values(of))
    ]


def test_everything_that_is_stored_has_values_that_both_take_and_both_refuse() -> None:
    assert set(CASES) == set(STORED)
    for name, cases in [*CASES.items(), *MODEL_CASES.items()]:
        assert any(case.takes for case in cases), name
        assert any(case.refuses for case in cases) or name == "Any", name


@pytest.mark.parametrize(("tried", "value", "raw"), expand("takes"))
def test_what_the_client_takes_the_server_takes_and_readers_get_back(
    pair: Make, tried: Tried, value: Any, raw: Any
) -> None:
    both = pair(tried.declare)
    data = both.data(value)

    both.insert(data)

    again = both.types.encode(both.last())[2]
    assert again == data.raw


@pytest.mark.parametrize(("tried", "value", "raw"), expand("refuses"))
def test_what_the_client_refuses_the_server_refuses(pair: Make, tried: Tried, value: Any, raw: Any) -> None:
    both = pair(tried.declare)

    with pytest.raises(REFUSED):
        both.data(value)
    with pytest.raises(WriteError) as refused:
        both.insert({"f": raw})

    assert refused.value.code == DOCUMENT_VALIDATION_FAILURE


@pytest.mark.parametrize(("tried", "value", "raw"), expand("client_only"))
def test_what_only_the_client_checks_the_server_takes(pair: Make, tried: Tried, value: Any, raw: Any) -> None:
    both = pair(tried.declare)

    with pytest.raises(REFUSED):
        both.data(value)
    both.insert({"f": raw})


@pytest.mark.parametrize("tried", ALL, ids=lambda tried: tried.name)
def test_the_server_refuses_a_field_that_no_class_knows(pair: Make, tried: Tried) -> None:
    both = pair(tried.declare)
    taken = [value for value, _ in [*tried.values("takes"), *tried.values("server_only")]]
    known = dict(both.data(taken[0])) if taken else {}

    with pytest.raises(WriteError) as refused:
        both.insert({**known, "other": 1})

    assert refused.value.code == DOCUMENT_VALIDATION_FAILURE
