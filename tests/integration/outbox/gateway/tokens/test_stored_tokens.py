"""Tokens beside the outbox."""

from __future__ import annotations

from outbox import Outbox
from outbox.gateway.scope import Scope
from outbox.gateway.tokens.stored_tokens import StoredTokens
from outbox.gateway.tokens.token import new_token


def test_what_was_put_is_there_until_it_is_removed(orders: Outbox) -> None:
    tokens = StoredTokens(orders.collections)
    token, _ = new_token("web", Scope(types=frozenset({"a"})), "now")
    tokens.put(token)
    tokens.note_use("web", "today")
    [found] = tokens.load().values()

    assert (found.scope, found.used) == (token.scope, "today")
    assert tokens.remove("web")
    assert not tokens.remove("web")
    assert tokens.load() == {}
