"""Putting what clients post."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymongo.database import Database

from outbox import InvalidMessage, Outbox
from outbox.gateway.answers import Refusal
from outbox.gateway.posting.posts import Once, Post, Posts
from tests.actors.catalogue import new_catalogue


@pytest.fixture
def catalogue(database: Database[dict[str, object]]) -> Iterator[Outbox]:
    with new_catalogue(database) as catalogue:
        yield catalogue


def test_null_is_a_tombstone_of_what_is_compacted_by_its_key(catalogue: Outbox) -> None:
    posts = Posts(catalogue)
    id, _ = posts.put(posts.made(Post("price", "a1", {}, None)), None)
    catalogue.sequence()
    record = next(catalogue.read())

    assert (record.id, record.key, record.data) == (id, "a1", None)


@pytest.mark.parametrize("post", [Post("view", "a1", {}, None), Post("price", None, {}, None)])
def test_of_other_types_and_without_a_key_there_is_none(catalogue: Outbox, post: Post) -> None:
    with pytest.raises(InvalidMessage, match="compacted"):
        Posts(catalogue).made(post)


def test_the_same_key_of_another_caller_is_another(catalogue: Outbox) -> None:
    posts = Posts(catalogue)
    made = posts.made(Post("price", None, {}, {"sku": "a1", "cents": 1}))
    mine = posts.put(made, Once("me", "1"))

    assert mine[1]
    assert posts.put(made, Once("you", "1"))[1]
    assert posts.put(made, Once("me", "1")) == (mine[0], False)


def test_what_a_refused_message_came_with_is_not_remembered(catalogue: Outbox) -> None:
    posts, once = Posts(catalogue), Once("me", "1")
    with pytest.raises(InvalidMessage):
        posts.put(posts.made(Post("price", None, {"id": "reserved"}, {"sku": "a1"})), once)

    assert posts.put(posts.made(Post("price", None, {}, {"sku": "a1"})), once)[1]


def test_a_key_that_was_forgotten_since_is_to_be_tried_again(catalogue: Outbox) -> None:
    posts, once = Posts(catalogue), Once("me", "1")
    with pytest.raises(Refusal, match="try again"):
        posts._before(posts._keeping(), once, "")
