"""What is no database of the client that is wanted is refused, with what to give, when the face is made."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient

from outbox import AsyncOutbox, InvalidDatabase, Outbox

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
        (_asynchronous.shop, "AsyncOutbox"),
        (_asynchronous, "AsyncOutbox"),
        (_asynchronous.shop.orders, "AsyncOutbox"),
        (AsyncIOMotorDatabase(), "AsyncOutbox"),
        (OfAnAgnosticBase(), "AsyncOutbox"),
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


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        (_client.shop, "synchronous client's: Outbox .* those of a pymongo.AsyncMongoClient"),
        (_client, "synchronous client's"),
        (_client.shop.orders, "synchronous client's"),
        (AsyncIOMotorDatabase(), "make a pymongo.AsyncMongoClient with the same settings"),
        (OfAnAgnosticBase(), "make a pymongo.AsyncMongoClient with the same settings"),
        (_asynchronous, r"client\['shop'\]"),
        (_asynchronous.shop.orders, "collection.database"),
        ("default", r"AsyncMongoClient\(…\)\['shop'\]"),
        (None, "was given None"),
        (42, "builtins.int, which is no database"),
    ],
)
def test_the_asynchronous_face_refuses_what_is_no_asynchronous_database(given: Any, advice: str) -> None:
    with pytest.raises(InvalidDatabase, match=advice):
        AsyncOutbox(given)
