"""A scope hides what is outside it."""

from __future__ import annotations

import pytest

from outbox import Record
from outbox.gateway.answers import Refusal
from outbox.gateway.scope import ANYBODY, Caller, Scope
from tests.doubles.records import record


def with_headers(**headers: str) -> Record[dict[str, int]]:
    return Record(1, bytes(12), 0, {"type": "a", "key": None, "headers": headers, "data": {}})


def test_without_one_all_is_seen() -> None:
    assert ANYBODY.scope.sees(record(1))
    assert not ANYBODY.scope.hides


def test_types_and_key_prefix_and_headers_must_all_fit() -> None:
    assert Scope(types=frozenset({"order.placed"}), key_prefix="a").sees(record(1, "ab"))
    assert not Scope(types=frozenset({"order.placed"}), key_prefix="b").sees(record(1, "ab"))
    assert not Scope(types=frozenset({"other"})).sees(record(1))
    assert not Scope(key_prefix="a").sees(record(1, None))


def test_a_header_must_be_there_and_have_the_value() -> None:
    scope = Scope(headers={"tenant": "acme"})

    assert scope.sees(with_headers(tenant="acme", other="x"))
    assert not scope.sees(with_headers(tenant="acme2"))
    assert not scope.sees(with_headers())


def test_what_a_caller_may_not_do_is_forbidden() -> None:
    caller = Caller("web", Scope(frozenset({"read"}), components=frozenset({"mine"})))
    caller.check("read")
    caller.check_component("mine")

    with pytest.raises(Refusal, match="post"):
        caller.check("post")
    with pytest.raises(Refusal, match="component"):
        caller.check_component("theirs")
