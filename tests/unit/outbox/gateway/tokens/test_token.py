"""A token, without its secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from outbox import InvalidArgument
from outbox.gateway.scope import Scope
from outbox.gateway.tokens.token import checked_scope, new_token, parse, rotated

SCOPE = Scope(frozenset({"read"}), frozenset({"a"}), frozenset({"b"}), "k", {"tenant": "acme"})


def test_its_text_is_its_name_and_a_secret_that_is_stored_nowhere() -> None:
    token, text = new_token("web", Scope(), "now")
    name, secret = text.split(".")

    assert name == "web"
    assert len(secret) == 43
    assert token.is_secret(secret)
    assert not token.is_secret(secret[:-1])
    assert secret not in json.dumps(token.as_document())


def test_it_is_read_as_it_was_stored() -> None:
    token, _ = new_token("web", SCOPE, "now")

    assert parse("web", json.loads(json.dumps(token.as_document()))) == token


def test_rotated_it_has_the_same_scope_and_another_secret() -> None:
    token, text = new_token("web", SCOPE, "now")
    again, new = rotated(token, "later")

    assert again.scope == SCOPE
    assert new != text
    assert not again.is_secret(text.partition(".")[2])


@pytest.mark.parametrize("name", ["", "a.b", "a b", "a" * 64, 1])
def test_a_name_has_no_dot(name: Any) -> None:
    with pytest.raises(InvalidArgument, match="name"):
        new_token(name, Scope(), "now")


@pytest.mark.parametrize(
    "restricted",
    [
        {"rights": []},
        {"rights": ["write"]},
        {"types": []},
        {"types": ["a b"]},
        {"components": ["x/y"]},
        {"key_prefix": ""},
        {"headers": {"tenant": 1}},
    ],
)
def test_a_restriction_that_means_nothing_is_refused(restricted: dict[str, Any]) -> None:
    given = {"rights": ["read"], "types": None, "components": None, "key_prefix": None, "headers": {}, **restricted}
    with pytest.raises(InvalidArgument):
        checked_scope(**given)


@pytest.mark.parametrize("found", [None, {}, {"digest": "x", "scope": ["read"]}, {"digest": "0" * 64, "scope": "read"}])
def test_what_is_no_token_is_named(found: Any) -> None:
    with pytest.raises(InvalidArgument, match="'web'"):
        parse("web", found)
