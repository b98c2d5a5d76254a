"""A share: the keys of an outbox that one process works on, while others work on the rest."""

from __future__ import annotations

from binascii import crc32
from collections.abc import Iterable
from typing import NamedTuple

from outbox.log.cursor_document import Layer
from outbox.log.record import Record


class Share(NamedTuple):
    """One of `total` shares: its `number`, from 1.

    `delivered`: what was delivered when the number of shares was another, a layer for each change. A record at or
    below the seq that its share of then has in one of the layers is not sent again.
    """

    number: int = 1
    total: int = 1
    delivered: tuple[Layer, ...] = ()

    @property
    def is_all(self) -> bool:
        """Whether every record is to be sent, so that none need be looked at."""
        return self.total == 1 and not self.delivered

    def name(self, reader: str) -> str:
        """Names the share of this reader, for its lease and its cursor: `relay:kafka/2`; alone `relay:kafka`."""
        return reader if self.total == 1 else f"{reader}/{self.number}"

    def takes(self, key: str | None, id: bytes, seq: int) -> bool:
        """Whether the record is to be sent by this share."""
        hashed = key_hash(key, id)
        if hashed % self.total != self.number - 1:
            return False
        return all(seq > layer[hashed % len(layer)] for layer in self.delivered)

    def chosen(self, records: Iterable[Record[object]]) -> list[Record[object]]:
        """Those that it takes."""
        return [each for each in records if self.takes(each.key, each.id_bytes, each.seq)]


ALL = Share()


def key_hash(key: str | None, id: bytes) -> int:
    """What decides which share a message belongs to: CRC-32 of its key in UTF-8; without a key, of its 12-byte id."""
    if isinstance(key, str):  # what is neither text nor null can only have been put past staging's validator
        return crc32(key.encode())
    return crc32(id)


def is_of(name: str, reader: str) -> bool:
    """Whether a name is the reader's or, whatever their number, one of its shares'."""
    share = name.removeprefix(f"{reader}/")
    return name == reader or (share != name and share.isdecimal())


def shares(count: int) -> list[Share]:
    """All of them."""
    return [Share(number, count) for number in range(1, count + 1)]


def still_needed(layers: Iterable[Layer], seq: int) -> tuple[Layer, ...]:
    """The layers that still say something of what comes after `seq`."""
    return tuple(layer for layer in layers if max(layer) > seq)
