"""The five collections of an outbox, pinned to settings of our own, whatever the user's client says."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import bson
import pymongo
from bson import Int64
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import InvalidBSON
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from outbox import patience
from outbox.elements import DOCUMENT, Element, elements
from outbox.elements import document as compose
from outbox.errors import InvalidName, UnsupportedServer
from outbox.given import check_database

Document = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")

# The server accepts dates that Python's datetime cannot hold; AUTO decodes those to DatetimeMS instead of raising.
# Text that is not UTF-8 breaks BSON's contract, but the server stores it: U+FFFD, as MongoDB's Java driver decodes it.
DECODED: CodecOptions[Document] = CodecOptions(
    document_class=dict,
    tz_aware=True,
    uuid_representation=UuidRepresentation.STANDARD,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
_UUIDS_AS_BINARY = DECODED.with_options(uuid_representation=UuidRepresentation.UNSPECIFIED)

_API_STRICT = 323

HIGHEST_SEQ = 1 << 62
READERS: Document = {
    "seq": {
        "$type": ["int", "long", "double"],
        "$gte": 0,
        "$lte": Int64(HIGHEST_SEQ),
        "$not": {"$type": "array"},  # which matches if one of its numbers does
    }
}
"""Finds the cursors among the documents of `NAME.cursors`; of a relay with several shares, one document has none.

What somebody has written there by hand and is no seq holds nobody; its relay says what is wrong with it.
"""


@contextlib.contextmanager
def call(seconds: float | None = None) -> Iterator[None]:
    """Bounds every driver call inside: a client with default settings hung 29 s on a frozen primary (measured).

    By 5 s, or by more while the majority of the servers is slow, see outbox.patience. Raises UnsupportedServer when the
    client's server API refuses one.
    """
    try:
        with pymongo.timeout(patience.seconds() if seconds is None else seconds):
            yield
    except OperationFailure as error:
        if error.code != _API_STRICT:
            raise
        raise UnsupportedServer(
            "the client was made with ServerApi(…, strict=True), and the stable API leaves out what a log needs: give "
            "the outbox a client without strict"
        ) from error


def decoded(document: bytes) -> Document:
    """A document as `DECODED` has it; all its UUIDs as binary when one is not of 16 bytes, which the server stores.

    A field that cannot be decoded, for the server stores more than pymongo reads, is left as a RawBSONDocument: the
    field's own, or one of this field alone.
    """
    for options in (DECODED, _UUIDS_AS_BINARY):
        with contextlib.suppress(InvalidBSON):
            return bson.decode(document, codec_options=options)
    return {name: _decoded(name, element) for name, element in elements(document)}


def _decoded(name: str, element: Element) -> Any:
    alone = compose([element.named(name.encode())])
    for options in (DECODED, _UUIDS_AS_BINARY):
        with contextlib.suppress(InvalidBSON):
            return next(iter(bson.decode(alone, codec_options=options).values()))
    return RawBSONDocument(element.value if element.type == DOCUMENT else alone)


def apart(function: Callable[P, T]) -> Callable[P, T]:
    """Runs a function outside the caller's context, so that its calls never join a session the caller has bound."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        return contextvars.Context().run(function, *args, **kwargs)

    return wrapper


@apart
def transaction(client: MongoClient[Any], work: Callable[[ClientSession], T], seconds: float = 15.0) -> T:
    """Does `work`, all or nothing, pinned as the collections are; again after what passes by itself.

    Raises what `work` raises, and pymongo's errors.
    """
    with call(seconds), client.start_session() as session:
        return session.with_transaction(
            work,
            read_concern=ReadConcern("snapshot"),
            write_concern=WriteConcern("majority"),
            read_preference=ReadPreference.PRIMARY,
        )


class Collections:
    """The collections of the outbox `name` in `database`: primary, majority reads, majority writes.

    Thread-safe, as pymongo's are. Raises InvalidDatabase and InvalidName.
    """

    def __init__(self, database: Database[Any], name: str) -> None:
        check_database(database)
        if not NAME.fullmatch(name) or name == "system":  # MongoDB's own collections begin with that
            raise InvalidName(
                f"{name!r} is not an outbox name: a letter, then up to 63 letters, digits, '_' or '-'; not 'system'"
            )
        self.name = name
        self.database: Database[Document] = database.client.get_database(
            database.name,
            codec_options=DECODED,
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern("majority"),
            read_concern=ReadConcern("majority"),
        )
        self.client: MongoClient[Any] = database.client
        self.staging: Collection[Document] = self.database[f"{name}.staging"]
        self.log: Collection[Document] = self.database[name]
        self.cursors: Collection[Document] = self.database[f"{name}.cursors"]
        self.leases: Collection[Document] = self.database[f"{name}.leases"]
        self.dead: Collection[Document] = self.database[f"{name}.dead"]
