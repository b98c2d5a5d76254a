"""Which part of a message is its key on Kafka, or what its partition is chosen by."""

from __future__ import annotations

from typing import Any

from outbox.delivery.ports import Outgoing
from outbox.log.record import Record
from outbox.messages.compaction import KEY_TYPES, key_text
from outbox.messages.json_value import Unencodable
from outbox.messages.limits import RESERVED_HEADERS
from relay.errors import InvalidSettings

_HEADER, _DATA = "header.", "data."
_WORDS = ("key", "type", "id", "none")
_OWN = len(RESERVED_HEADERS)


class KeyFrom:
    """Takes the key of a Kafka record from a message: `key`, `type`, `id`, `none`, `header.NAME` or `data.FIELD`.

    Kafka keeps the order of one key. Immutable, thread-safe. Raises InvalidSettings for other words, which names the
    setting that they stand in.
    """

    def __init__(self, words: str = "key", setting: str = "--key-from") -> None:
        if words not in _WORDS and not (words.startswith((_HEADER, _DATA)) and words.partition(".")[2]):
            raise InvalidSettings(f"{setting} {words!r}: give key, type, id, none, header.NAME or data.FIELD")
        self.words = words

    @property
    def is_of_data(self) -> bool:
        """Tells whether the message's data has to be decoded for it."""
        return self.words.startswith(_DATA)

    def of(self, outgoing: Outgoing, record: Record[Any] | None) -> str | None:
        """Returns the key. Raises Unencodable for a message that has none where it should be: without its key a record
        would lose its order.

        outgoing: as relay.encoding.encoder.Encoder makes it. record: the same; None only where it is not of the data.
        """
        _, _, key, _, headers = outgoing
        match self.words:
            case "key":
                return key
            case "type":
                return headers[4][1]
            case "id":
                return headers[0][1]
            case "none":
                return None
        found: Any
        if self.is_of_data:
            found = None if record is None else _at(record.data, self.words)
        else:
            found = dict(headers[_OWN:]).get(self.words[len(_HEADER) :])
        if found is None:
            raise Unencodable(f"it has no {self.words}, which its key or its partition is to be taken from")
        if isinstance(found, bool) or not isinstance(found, KEY_TYPES):
            raise Unencodable(f"its {self.words} is a {type(found).__name__}, which cannot be a key")
        return key_text(found)


def _at(data: Any, path: str) -> Any:
    for name in path[len(_DATA) :].split("."):
        data = data.get(name) if isinstance(data, dict) else None
    return data
