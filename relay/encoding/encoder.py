"""Encodes the log's records into what a sink sends: topic, key, value and headers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from outbox import dates
from outbox.delivery.ports import Headers, Outgoing
from outbox.errors import UndecodableRecord
from outbox.log.batch import Batch
from outbox.log.position import Mark
from outbox.log.record import Record, moment
from outbox.messages.json_value import Unencodable
from outbox.messages.limits import RESERVED_HEADERS
from outbox.shares.share import Share
from relay.encoding.values import JSON, Form
from relay.errors import PoisonMessage, RelayError

try:
    from relay.encoding._encoder import encode as _encode_plain
except ImportError:  # it is built where there is a C compiler; without it everything works, more slowly
    _encode_plain = None  # type: ignore[assignment]  # its stub knows nothing of that

_OURS = frozenset(RESERVED_HEADERS)


def is_native() -> bool:
    """Whether plain batches are encoded by the compiled encoder."""
    return _encode_plain is not None


class Encoder:
    """Encodes records of one log. Not thread-safe: it remembers each type's topic.

    topic: names the topic of a type; called once for each type, and may raise a RelayError to refuse it.
    log: which log the records are of, as `outbox.log.log.identity` has it.
    form: says how the values of a type are made.
    """

    def __init__(self, topic: Callable[[str], str], log: str, form: Callable[[str], Form] = lambda _: JSON) -> None:
        self._topic = topic
        self._form = form
        self._log_header = ("log", log)
        self._known: dict[str, tuple[str, tuple[str, str], int]] = {}

    def encode_plain(self, batch: Batch, share: Share) -> list[tuple[list[Outgoing], list[Mark]]] | None:
        """Encodes the records of a batch that the share takes, without decoding them.

        Returns one portion: them and their marks, and always the mark of the batch's last record. None when `encode`
        has to decide: above all when a type is not known yet, or when a record cannot be sent.
        """
        if not is_native():
            return None
        chosen = None if share.is_all else share
        encoded = _encode_plain(batch.raw, batch.skip, self._known, self._log_header, chosen)
        return None if encoded is None else [encoded]

    def encode(self, records: Sequence[Record[Any]]) -> tuple[list[Outgoing], list[Mark], RelayError | None]:
        """Encodes records up to the first that cannot be sent. Returns them, their marks, and that one's error."""
        outgoing: list[Outgoing] = []
        marks: list[Mark] = []
        known, log_header, form = self._known, self._log_header, self._form
        latest: int | None = None
        created_header = ("created", "")
        # One flat loop: at 70,000 records a second each call more would be seen in the figures.
        for record in records:
            seq, id, type, created = record.seq, record.id_bytes, record.type, record.created_ms
            try:
                own = record.headers
                value = form(type).value(record)
            except UndecodableRecord as error:
                poison = PoisonMessage(seq, id.hex(), type, record.key, "undecodable", str(error))
                return outgoing, marks, poison
            except Unencodable as error:
                return outgoing, marks, unencodable(record, str(error))
            except RelayError as error:
                return outgoing, marks, error
            if type not in known:
                try:
                    known[type] = (self._topic(type), ("type", type), form(type).number)
                except RelayError as error:
                    return outgoing, marks, error
            topic, type_header, _ = known[type]
            if created != latest:
                latest, created_header = created, ("created", dates.text(moment(created)))
            headers: Headers = [("id", id.hex()), ("seq", str(seq)), log_header, created_header, type_header]
            if own:
                if (reason := _refused(own)) is not None:
                    return outgoing, marks, unencodable(record, reason)
                headers.extend(own.items())
            outgoing.append((seq, topic, record.key, value, headers))
            marks.append((seq, created, id))
        return outgoing, marks, None


def unencodable(record: Record[Any], reason: str) -> PoisonMessage:
    """Makes the error of a record that can never be encoded."""
    return PoisonMessage(record.seq, record.id_bytes.hex(), record.type, record.key, "unencodable", reason)


def _refused(headers: object) -> str | None:
    """Says what is wrong with headers; only a writer who goes past staging's validator, or an older one, puts such."""
    if type(headers) is not dict or not all(type(value) is str for value in headers.values()):
        return "its headers are not text by name"  # a document with `$ref` is no dict to Python
    taken = _OURS.intersection(headers)
    return f"among its headers is {min(taken)!r}, which the relay sets itself" if taken else None
