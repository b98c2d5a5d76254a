"""Putting what clients post."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymongo.database import Database

from outbox import InvalidMessage, Outbox
from outbox.gateway.posting.posts import Once, Post, Posts
from tests.actors.catalogue import new_catalogue


@pytest.fixture
def catalogue(database: Database[dict[str, object]]) -> Iterator[Outbox]:
    with new_catalogue(database) as catalogue:
        yield catalogue


def test_null_is_a_tombstone_of_what_is_compacted_by_its_key(catalogue: Outbox) -> None:
    id, _ = Posts(catalogue).put(Post("price", "a1", {}, None), None)
    catalogue.sequence()
    record = next(catalogue.read())

    assert (record.id, record.key, record.data) == (id, "a1", None)


@pytest.mark.parametrize("post", [Post("view", "a1", {}, None), Post("price", None, {}, None)])
def test_of_other_types_and_without_a_key_there_is_none(catalogue: Outbox, post: Post) -> None:
    with pytest.raises(InvalidMessage, match="compacted"):
        Posts(catalogue).put(post, None)


def test_the_same_key_of_another_caller_is_another(catalogue: Outbox) -> None:
    posts, post = Posts(catalogue), Post("price", None, {}, {"sku": "a1", "cents": 1})
    mine = posts.put(post, Once("me", "1", b""))

    assert mine[1]
    assert posts.put(post, Once("you", "1", b""))[1]
    assert posts.put(post, Once("me", "1", b"")) == (mine[0], False)


def test_what_a_refused_message_came_with_is_not_remembered(catalogue: Outbox) -> None:
    posts, once = Posts(catalogue), Once("me", "1", b"")
    with pytest.raises(InvalidMessage):
        posts.put(Post("price", None, {"id": "reserved"}, {"sku": "a1"}), once)

    assert posts.put(Post("price", None, {}, {"sku": "a1"}), once)[1]
