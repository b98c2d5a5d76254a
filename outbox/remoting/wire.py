"""What is said to a gateway and what it answers, without a connection: the same for both faces of the client."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import bson
import httpx2
from bson import ObjectId

from outbox import dates
from outbox.errors import HistoryLost, InvalidMessage, LogReplaced, MessageTooLarge, OutboxError
from outbox.log.record import Record
from outbox.messages.from_json import from_json
from outbox.messages.json_value import json_value
from outbox.messages.message_types import NO_HEADERS, Key, MessageTypes
from outbox.messages.versions import upcasted, version_of
from outbox.mongo.codec import DECODED
from outbox.readers.query import Query, Where, asked
from outbox.readers.start import Start
from outbox.staging.tombstone import Tombstone

_PASSES = frozenset({409, 429, 500, 502, 503, 504})
"""The statuses after which the same call may succeed: another connection ends, the gateway or a proxy is back."""
_MOST = 1000
_STATUS = {
    "unauthorized": 401, "forbidden": 403, "not_registered": 404, "taken": 409, "shared": 409, "history_lost": 410,
    "log_replaced": 410, "too_many": 429, "internal": 500, "closing": 503, "unavailable": 503, "not_created": 503,
}  # fmt: skip
"""The statuses of the codes that end a stream."""
Types = Sequence[str | type[Any]] | None


class RemoteRefused(OutboxError):
    """A gateway has refused a call. `status` and `code` are its own; 401 and 403 are of the token."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"the gateway refused this ({status} {code}): {detail}")
        self.status = status
        self.code = code


class RemoteUnavailable(OutboxError):
    """A gateway did not answer in time, or could not serve; `put` may be called again, with another effect."""


class Again(Exception):
    """The same call may succeed later. Never leaves this package."""

    def __init__(self, cause: Exception, seconds: float = 0.0) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.seconds = seconds
        """Not before so long."""


@dataclass(frozen=True)
class Ask:
    """A call."""

    method: str
    path: str
    params: Mapping[str, str | int | float] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Answer(NamedTuple):
    """Records that have come."""

    records: list[Record[Any]]
    next: int | None
    head: int | None
    skipped: int | None
    """None when it is not to be known how many."""


class Wire:
    """Makes calls, and reads answers. Thread-safe."""

    def __init__(self, messages: Sequence[type[Any]]) -> None:
        self._types = MessageTypes(messages)
        self._schemas = self._types.schemas()

    def posting(self, message: object, headers: Mapping[str, str] | None) -> Ask:
        """Makes the call that puts a message, once however often it is made. Raises as Outbox.put."""
        if isinstance(message, Tombstone):
            type, key, data = self._types.name_of(message.message_class), message.key, b"null"
        else:
            type, key, encoded = self._types.encode(message)
            data = json_value(bson.decode(encoded, DECODED))
        head = json.dumps({"type": type, "key": key, "headers": dict(headers or {})})[:-1]
        body = b'%b, "data": %b}' % (head.encode(), data)
        own = {"Idempotency-Key": uuid.uuid4().hex, "Content-Type": "application/json"}
        return Ask("POST", "/v1/messages", body=body, headers=own)

    def asked(self, start: Start, types: Types, key: Key | None, where: Where | None = None) -> Query:
        """Checks what is asked for. Raises InvalidStart, InvalidSelector and UnknownMessage."""
        return asked(self._types, start, types, key, where=where)

    @staticmethod
    def registering(name: str, start: Start, types: frozenset[str] | None) -> Ask:
        """Makes the call that registers a consumer."""
        text = dates.aware(start).isoformat() if isinstance(start, datetime) else start
        body = {"start": text, **({} if types is None else {"types": sorted(types)})}
        kind = {"Content-Type": "application/json"}
        return Ask("PUT", f"/v1/consumers/{name}", body=json.dumps(body).encode(), headers=kind)

    @staticmethod
    def polling(path: str, after: int | None, wait: float, types: frozenset[str] | None = None) -> Ask:
        """Makes a poll; `after` acknowledges."""
        params: dict[str, str | int | float] = {"limit": _MOST, "wait": wait}
        if after is not None:
            params["after"] = after
        if types is not None:
            params["types"] = ",".join(sorted(types))
        return Ask("GET", path, params)

    @staticmethod
    def acknowledging(name: str, seq: int) -> Ask:
        """Makes the call that acknowledges."""
        kind = {"Content-Type": "application/json"}
        return Ask("POST", f"/v1/consumers/{name}/ack", body=json.dumps({"seq": seq}).encode(), headers=kind)

    @staticmethod
    def streaming(name: str, place: int | None) -> Ask:
        """Makes the call for a stream of Server-Sent Events; `place` acknowledges."""
        headers = {} if place is None else {"Last-Event-ID": str(place)}
        return Ask("GET", f"/v1/consumers/{name}/stream", headers=headers)

    def streamed(self, lines: Iterable[str]) -> Iterator[Record[Any]]:
        """Reads the records of a stream. Raises what its last event says, and Again for what passes."""
        event = ""
        for line in lines:
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            elif name == "data" and event == "end":
                body = json.loads(value)
                refused = RemoteRefused(_STATUS.get(body["error"], 400), body["error"], body["detail"])
                raise _passes_or(refused, body)
            elif name == "data" and not event:
                yield self._record(json.loads(value))
            elif not line:
                event = ""

    def answer(self, response: httpx2.Response) -> Answer:
        """Reads the answer to a poll."""
        body = response.json()
        records = [self._record(each) for each in body["records"]]
        return Answer(records, body["next"], body["head"], body.get("skipped", 0))

    def _record(self, found: dict[str, Any]) -> Record[Any]:
        type, headers, data = found["type"], found["headers"], found["data"]
        if data is not None and self._is_of_the_class(type, headers):
            data = from_json(self._schemas[type], data)
        fields = {"type": type, "key": found["key"], "headers": headers, "data": data}
        created = dates.milliseconds_of(found["created"])
        return Record(found["seq"], ObjectId(found["id"]).binary, created, fields, self._decoded)

    def _is_of_the_class(self, type: str, headers: Mapping[str, str]) -> bool:
        """Tells whether a message has the version of its class here, whose schema then says what its JSON is."""
        try:
            return type in self._schemas and version_of(type, headers) == self._types.versions[type]
        except InvalidMessage:  # it is raised by who asks for the message
            return False

    def _decoded(self, type: str, data: dict[str, Any] | None, headers: Mapping[str, str] = NO_HEADERS) -> Any:
        """Makes the message, as MessageTypes.decode: of what the upcasts make of the JSON of an older version."""
        if data is not None and type in self._schemas and not self._is_of_the_class(type, headers):
            newest = upcasted(type, data, version_of(type, headers), self._types.versions[type])
            return self._types.made(type, from_json(self._schemas[type], newest))
        return self._types.decode(type, data, headers)


def checked(response: httpx2.Response) -> httpx2.Response:
    """Returns the response if it is none of a refusal. Raises what a refusal says, and Again for one that passes."""
    if response.is_success:
        return response
    try:
        body = response.json()
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    code, detail = str(body.get("error", response.reason_phrase)), str(body.get("detail", ""))
    after = response.headers.get("retry-after", "")
    refused = RemoteRefused(response.status_code, code, detail)
    raise _passes_or(refused, body, float(after) if after.isdecimal() else 0.0)


def _passes_or(refused: RemoteRefused, body: Mapping[str, Any], seconds: float = 0.0) -> Exception:
    """Makes Again of a refusal that passes, and the error that another one is."""
    if refused.code == "shared" or refused.status not in _PASSES:
        return _as_error(refused, body, str(body.get("detail", "")))
    return Again(refused, seconds)


def _as_error(refused: RemoteRefused, body: Mapping[str, Any], detail: str) -> OutboxError:
    match refused.code:
        case "invalid_message":
            return InvalidMessage(detail)
        case "too_large":
            return MessageTooLarge(detail)
        case "log_replaced":
            return LogReplaced(detail)
        case "history_lost" if isinstance(body.get("expected"), int) and isinstance(body.get("oldest"), int):
            return HistoryLost(body["expected"], body["oldest"])
    return refused
