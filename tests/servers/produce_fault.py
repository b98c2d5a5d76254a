"""Answers of a broker to a producer, changed on their way through a proxy: errors that a real one gives rarely."""

from __future__ import annotations

import struct

from tests.servers.proxy import Traffic

PRODUCE = 0  # Kafka's number of the request
FLEXIBLE = 9  # from this version on, lengths are varints

OUT_OF_ORDER_SEQUENCE_NUMBER = 45
INVALID_PRODUCER_EPOCH = 47
UNKNOWN_PRODUCER_ID = 59
PRODUCER_FENCED = 90
NOT_ENOUGH_REPLICAS = 19


class ProduceFault:
    """Give `traffic` to a Proxy before a broker. Records are appended all the same: only the answer is false."""

    def __init__(self) -> None:
        self.changed = 0
        """How many answers were changed so far."""
        self._code = 0
        self._left = 0

    def answer_with(self, code: int, answers: int = 1) -> None:
        """The next answers to a producer carry this error."""
        self._code, self._left = code, answers

    def traffic(self) -> Traffic:
        return _Conversation(self)

    def change(self, answer: bytearray, version: int) -> None:
        """Sets the error code of the answer's first partition."""
        if self._left:
            struct.pack_into(">h", answer, _place_of_the_error(answer, version), self._code)
            self._left -= 1
            self.changed += 1


class _Conversation(Traffic):
    def __init__(self, fault: ProduceFault) -> None:
        self._fault = fault
        self._requests, self._answers = _Frames(), _Frames()
        self._produced: dict[int, int] = {}

    def request(self, chunk: bytes) -> bytes:
        for frame in self._requests.add(chunk):
            key, version, correlation = struct.unpack_from(">hhi", frame, 4)
            if key == PRODUCE:
                self._produced[correlation] = version
        return chunk

    def answer(self, chunk: bytes) -> bytes:
        passed = bytearray()
        for frame in self._answers.add(chunk):
            [correlation] = struct.unpack_from(">i", frame, 4)
            version = self._produced.pop(correlation, None)
            if version is not None:
                self._fault.change(frame, version)
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
