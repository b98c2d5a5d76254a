"""A record's fields when not all of them can be decoded, which the server does not ask for."""

from __future__ import annotations

import base64
from typing import Any

from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from outbox.errors import UndecodableRecord


def is_partial(fields: dict[str, Any]) -> bool:
    """Whether some of what `outbox.mongo.codec.decoded` gave could not be decoded."""
    return any(isinstance(value, RawBSONDocument) for value in fields.values())


class Undecoded(dict[str, Any]):
    """The fields that can be decoded; asking for another one raises UndecodableRecord.

    `raw` has the others, as they are stored.
    """

    def __init__(self, fields: dict[str, Any], seq: int, id: bytes) -> None:
        self.raw = {name: value for name, value in fields.items() if isinstance(value, RawBSONDocument)}
        super().__init__((name, value) for name, value in fields.items() if name not in self.raw)
        self._seq = seq
        self._id = id

    def __missing__(self, name: str) -> Any:
        if name not in self.raw:
            raise KeyError(name)
        raise UndecodableRecord(self._seq, ObjectId(self._id), name)


def shown(value: object) -> object:
    """As JSON has what cannot be decoded: the BSON in base64; anything else as it is."""
    if isinstance(value, RawBSONDocument):
        return {"undecodable": base64.b64encode(value.raw).decode()}
    return value
