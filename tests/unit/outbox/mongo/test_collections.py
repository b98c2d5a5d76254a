"""A wrong name, or what is no database of a synchronous client, is refused when the Outbox is made."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient

from outbox import InvalidDatabase, InvalidName, Outbox
from outbox.mongo.collections import NAME

_client: MongoClient[dict[str, Any]] = MongoClient(connect=False)
_asynchronous: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(connect=False)


class AsyncIOMotorDatabase:
    """As Motor's: anything that is asked of it is a collection."""

    __module__ = "motor.motor_asyncio"

    def __getattr__(self, name: str) -> AsyncIOMotorDatabase:
        return self


class OfAnAgnosticBase(AsyncIOMotorDatabase):
    """As Motor makes its classes: the name of one that the user sees may say nothing."""

    __module__ = "somewhere"


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        (_asynchronous.shop, "pymongo.MongoClient with the same settings"),
        (_asynchronous, "pymongo.MongoClient with the same settings"),
        (_asynchronous.shop.orders, "pymongo.MongoClient with the same settings"),
        (AsyncIOMotorDatabase(), "pymongo.MongoClient with the same settings"),
        (OfAnAgnosticBase(), "pymongo.MongoClient with the same settings"),
        (_client, r"client\['shop'\]"),
        (_client.shop.orders, "collection.database"),
        ("default", r"mongoengine.get_db\('alias'\)"),
        (None, "was given None"),
        (42, "builtins.int, which is no database"),
    ],
)
def test_it_is_refused_with_what_to_give(given: Any, advice: str) -> None:
    with pytest.raises(InvalidDatabase, match=advice):
        Outbox(given)


def test_a_database_of_a_subclass_is_taken() -> None:
    class Watched(type(_client.shop)):  # type: ignore[misc]  # as a framework's wrapper has it
        pass

    assert Outbox(Watched(_client, "shop")).name == "outbox"


@pytest.mark.parametrize("name", ["outbox", "A", "a_b-9", "a" * 64])
def test_a_name_is_a_letter_and_up_to_63_more_signs(name: str) -> None:
    assert NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "9a", "_a", "a.b", "a b", "a$", "ä", "a" * 65, "a\n"])
def test_other_names_are_none(name: str) -> None:
    assert not NAME.fullmatch(name)
    assert issubclass(InvalidName, Exception)
