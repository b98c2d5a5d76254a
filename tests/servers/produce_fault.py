"""Requests of a producer that are refused on their way through a proxy, with errors that a broker gives rarely."""

from __future__ import annotations

import struct

from tests.servers.proxy import Traffic

PRODUCE = 0  # Kafka's number of the request
FLEXIBLE = 9  # from this version on, lengths are varints
INSIDE_THE_RECORDS = 20  # bytes from the end; tags and lengths take the last few

CORRUPT_MESSAGE = 2

OUT_OF_ORDER_SEQUENCE_NUMBER = 45
INVALID_PRODUCER_EPOCH = 47
UNKNOWN_PRODUCER_ID = 59
PRODUCER_FENCED = 90


class ProduceFault:
    """Give `traffic` to a Proxy before a broker. What is refused is not appended: it does not arrive in one piece."""

    def __init__(self) -> None:
        self.refused = 0
        """How many requests were refused so far."""
        self._code = 0

    def refuse_with(self, code: int) -> None:
        """Refuses the next request of a producer, with this error."""
        self._code = code

    def traffic(self) -> Traffic:
        """What watches over one connection."""
        return _Conversation(self)

    def take(self) -> int:
        """The error for the request that is on its way; 0: none."""
        code, self._code = self._code, 0
        return code


class _Conversation(Traffic):
    def __init__(self, fault: ProduceFault) -> None:
        self._fault = fault
        self._requests, self._answers = _Frames(), _Frames()
        self._refused: dict[int, tuple[int, int]] = {}

    def request(self, chunk: bytes) -> bytes:
        passed = bytearray()
        for frame in self._requests.add(chunk):
            key, version, correlation = struct.unpack_from(">hhi", frame, 4)
            if key == PRODUCE and (code := self._fault.take()):
                self._refused[correlation] = version, code
                frame[-INSIDE_THE_RECORDS] ^= 0xFF  # the broker sees by the checksum
            passed += frame
        return bytes(passed)

    def answer(self, chunk: bytes) -> bytes:
        passed = bytearray()
        for frame in self._answers.add(chunk):
            [correlation] = struct.unpack_from(">i", frame, 4)
            if correlation in self._refused:
                version, code = self._refused.pop(correlation)
                place = _place_of_the_error(frame, version)
                assert struct.unpack_from(">h", frame, place) == (CORRUPT_MESSAGE,)
                struct.pack_into(">h", frame, place, code)
                self._fault.refused += 1
            passed += frame
        return bytes(passed)


class _Frames:
    """Cuts a stream into messages, each with its length before it."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def add(self, chunk: bytes) -> list[bytearray]:
        self._rest += chunk
        frames = []
        while len(self._rest) >= 4:
            end = 4 + struct.unpack_from(">i", self._rest)[0]
            if len(self._rest) < end:
                break
            frames.append(self._rest[:end])
            del self._rest[:end]
        return frames


def _place_of_the_error(answer: bytearray, version: int) -> int:
    """Length, correlation id, (no tags,) topics: name, partitions: index, error."""
    if version < FLEXIBLE:
        [name] = struct.unpack_from(">h", answer, 12)
        return 14 + name + 4 + 4
    _, at = _varint(answer, 9)
    name, at = _varint(answer, at)
    _, at = _varint(answer, at + name - 1)
    return at + 4


def _varint(frame: bytearray, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = frame[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
