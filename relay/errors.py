"""The relay's own errors, under the outbox's root. The command line gives each its exit code (see relay/cli/app.py)."""

from __future__ import annotations

from enum import Enum
from typing import Literal

from outbox.errors import OutboxError

PoisonCode = Literal["undecodable", "unencodable", "refused"]
"""Who refuses a poison message: the driver, the encoding of its value, or the broker."""


class RelayError(OutboxError):
    """The root of what only a relay raises."""


class InvalidSettings(RelayError):
    """Settings that cannot be used: one readable line for each thing that is wrong, never a secret's value."""


class Unreachable(RelayError):
    """A server did not answer when the relay started."""


class TopicMissing(RelayError):
    """A topic that is needed is not there, may not be written to, or is not set up as it must be."""


class DeliveryRefused(RelayError):
    """The broker refuses records for a reason that somebody must remove first: rights, or its own settings."""


class CursorMismatch(RelayError):
    """The saved cursor points at another message than the log holds at that seq, or beyond the log's head; or it is
    gone though the relay is running."""


class CursorInUse(RelayError):
    """The cursor cannot be moved: a relay is working with it."""


class PoisonMessage(RelayError):
    """A message that will never be delivered, however often it is tried.

    `seq` is its number, `id` its message id (24 hex digits), `code` who refuses it, `reason` why; `finding` is all of
    that in a sentence.
    """

    def __init__(self, seq: int, id: str, type: str, key: str | None, code: PoisonCode, reason: str) -> None:
        self.finding = f"message seq {seq} (id {id}, type {type!r}, key {key!r}) cannot be delivered: {reason}"
        super().__init__(f"{self.finding}. Everything before it is delivered")
        self.seq = seq
        self.id = id
        self.code = code
        self.reason = reason


class LetterTaken(RelayError):
    """A message cannot be put aside: another reader already has it among its dead letters."""


class LetterCorrupt(RelayError):
    """A dead letter that is to be sent is none that a relay has written."""


class Verdict(Enum):
    """What a failed delivery means for the relay."""

    POISON = "poison"
    """This one record will never be taken; others of the same topic may be."""
    CONFIG = "config"
    """No record will be taken until somebody changes something: rights, topics, the broker's settings."""
    RETRY = "retry"
    """Worth doing again, with a producer built anew and from the cursor on."""


class DeliveryFailed(RelayError):
    """A sink could not deliver a record it had accepted. `seq` is None when no single record is to blame."""

    def __init__(self, seq: int | None, verdict: Verdict, reason: str) -> None:
        super().__init__(reason if seq is None else f"seq {seq}: {reason}")
        self.seq = seq
        self.verdict = verdict
        self.reason = reason
