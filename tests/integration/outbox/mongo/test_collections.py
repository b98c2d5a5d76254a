"""Options of the client whose database an outbox is given: of an address that is shared, or of a program's own. None of
them leaks into what the outbox, a relay and the commands do with their own collections."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable
from typing import Any

import pytest
from bson import SON
from bson.codec_options import CodecOptions, DatetimeConversion, TypeCodec, TypeRegistry
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from pymongo.server_api import ServerApi

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.dead_letters.admin import Selection
from outbox.shares.cursor_admin import forget, move
from outbox.shares.layout import request_shares
from relay import Relay
from relay.monitoring.status import relay_status
from relay.testing import MemorySink, MemoryTransactions
from tests.actors.command_listener import Commands
from tests.actors.price_service import PriceSet, dead_letter_admin, new_prices, put, refuse
from tests.actors.relay_thread import run_once, seqs
from tests.actors.subscriber import Subscriber
from tests.waiting import wait_until

Document = dict[str, Any]

IN_THE_ADDRESS = (
    "readPreference=primaryPreferred", "readPreference=secondary", "readPreference=secondaryPreferred",
    "readPreference=nearest&maxStalenessSeconds=90", "readPreference=secondaryPreferred&readPreferenceTags=dc:far",
    "readConcernLevel=local", "readConcernLevel=linearizable", "readConcernLevel=snapshot",
    "w=0", "w=1&journal=false", "w=majority&wtimeoutMS=1", "retryReads=false&retryWrites=false",
    "timeoutMS=300", "timeoutMS=60000", "socketTimeoutMS=100", "maxIdleTimeMS=1", "waitQueueTimeoutMS=100",
    "minPoolSize=3&maxConnecting=1", "directConnection=true", "compressors=zlib&appname=shop",
    "uuidRepresentation=pythonLegacy", "uuidRepresentation=javaLegacy&tz_aware=true",
    "unicode_decode_error_handler=ignore", "datetime_conversion=DATETIME_MS",
    "serverMonitoringMode=poll",
)  # fmt: skip


class Moment(TypeCodec):
    """Dates as text."""

    python_type = datetime.date
    bson_type = datetime.datetime

    def transform_python(self, value: datetime.date) -> datetime.datetime:
        return datetime.datetime(value.year, value.month, value.day, tzinfo=datetime.UTC)

    def transform_bson(self, value: datetime.datetime) -> str:
        return value.isoformat()


IN_THE_PROGRAM: dict[str, Document] = {
    "documents of another class": {"document_class": SON},
    "documents that stay raw": {"document_class": RawBSONDocument},
    "a type registry": {"type_registry": TypeRegistry([Moment()])},
    "another time zone": {"tz_aware": True, "tzinfo": datetime.timezone(datetime.timedelta(hours=5))},
    "listeners": {"event_listeners": [Commands()]},
    "the stable api": {"server_api": ServerApi("1")},
    "a read preference": {"read_preference": ReadPreference.SECONDARY},
}

DATABASES: dict[str, Callable[[Database[Any]], Database[Any]]] = {
    "concerns": lambda its: its.with_options(
        write_concern=WriteConcern(0), read_concern=ReadConcern("local"), read_preference=ReadPreference.SECONDARY
    ),
    "codec options": lambda its: its.with_options(
        codec_options=CodecOptions(
            document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_MS, tz_aware=False
        )
    ),
    "a type registry": lambda its: its.with_options(codec_options=CodecOptions(type_registry=TypeRegistry([Moment()]))),
}


@pytest.mark.parametrize("option", IN_THE_ADDRESS)
def test_an_option_of_the_address_changes_nothing(mongo_uri: str, database: Database[Document], option: str) -> None:
    with MongoClient[Document](f"{mongo_uri}&{option}") as client:
        everything_works(client[database.name])


@pytest.mark.parametrize("options", IN_THE_PROGRAM.values(), ids=IN_THE_PROGRAM.keys())
def test_an_option_of_the_program_changes_nothing(
    mongo_uri: str, database: Database[Document], options: Document
) -> None:
    with MongoClient[Any](mongo_uri, **options) as client:
        everything_works(client[database.name])


@pytest.mark.parametrize("changed", DATABASES.values(), ids=DATABASES.keys())
def test_an_option_of_the_database_changes_nothing(
    database: Database[Document], changed: Callable[[Database[Any]], Database[Any]]
) -> None:
    everything_works(changed(database))


def everything_works(database: Database[Any]) -> None:
    """Each operation once, by each way that a relay delivers and puts aside."""
    with contextlib.closing(new_prices(database)) as prices:
        prices.create()  # once more, over what is there
        putting(prices)
        reading(prices)
        exactly_once(prices)
        relaying_with_poison(prices, "one", "dead-letter", 1)
        relaying_with_poison(prices, "two", "park-key", 2)
        prices.drop()


def putting(prices: Outbox) -> None:
    prices.put([PriceSet(sku="a", price=1.0), PriceSet(sku="b", price=2.0)], standalone=True)
    with prices.collections.client.start_session() as session:
        # The caller's own transaction has concerns that the server takes, whatever its client says.
        own = session.start_transaction(read_concern=ReadConcern("local"), write_concern=WriteConcern("majority"))
        with own:
            prices.put(PriceSet(sku="c", price=3.0), session=session)
    assert prices.sequence() == 3


def reading(prices: Outbox) -> None:
    assert [each.seq for each in prices.read()] == [1, 2, 3]
    assert [each.created.tzname() for each in prices.read()] == ["UTC"] * 3
    assert prices.status().head == 3
    assert prices.types() == ("price.set",)
    subscriber = Subscriber()
    subscription = prices.observe("earliest").subscribe(subscriber)
    wait_until(lambda: len(subscriber.records) == 3, 30, "the subscriber to see all")
    prices.put(PriceSet(sku="d", price=4.0), standalone=True)  # which this process numbers while it observes
    wait_until(lambda: len(subscriber.records) == 4, 30, "the subscriber to see what is new")
    subscription.dispose()
    assert [each.message.sku for each in subscriber.records] == ["a", "b", "c", "d"]


def exactly_once(prices: Outbox) -> None:
    sink = MemoryTransactions()
    run_once(Relay(prices, sink, name="exactly", chance=lambda: 0.0))
    assert seqs(sink) == [1, 2, 3, 4]
    assert relay_status(prices, "exactly").delivery == "exactly-once"


def relaying_with_poison(prices: Outbox, name: str, policy: Any, shares: int) -> None:
    sink, head = MemorySink(), prices.log.head()
    put(prices, "a", "b", "a")
    refuse(sink, head + 1)
    relay = Relay(prices, sink, name=name, start=head + 1, on_poison=policy, shares=shares, chance=lambda: 0.0)
    run_once(relay)
    its = dead_letter_admin(prices, name)
    aside = [each["seq"] for each in its.letters(Selection())]
    assert aside == ([head + 1, head + 3] if policy == "park-key" else [head + 1])
    assert (relay_status(prices, name).dead, relay_status(prices, name).parked) == (1, len(aside) - 1)

    assert its.requeue(Selection(key="a")).letters == len(aside)
    run_once(relay)  # it is refused again
    assert its.discard(Selection()) == len(aside)
    assert move(prices.collections, name, head + 1, SystemClock())[1][0] == head + 1
    assert request_shares(prices.collections, name, 3 - shares)
    run_once(relay)
    assert forget(prices.collections, name, SystemClock())


def test_a_short_time_limit_of_the_address_costs_no_cursor(mongo_uri: str, database: Database[Document]) -> None:
    """Opening one scans the whole log: it waits for as long as it asks the server to, not for as long as the client."""
    commands, subscriber = Commands(), Subscriber()
    limit = "socketTimeoutMS=100"
    with (
        contextlib.closing(new_prices(database)),
        MongoClient[Document](f"{mongo_uri}&{limit}", event_listeners=[commands]) as client,
        Outbox(client[database.name], sequence=False) as reading,
    ):
        reading.observe("earliest").subscribe(subscriber)
        wait_until(lambda: len(commands.of("getMore")) >= 8, 30, "the tail to wait for more")
        opened = [each for each in commands.of("find") if each.get("tailable")]

    assert len(opened) == 1
    assert subscriber.errors == []
