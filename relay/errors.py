"""The relay's errors, under the outbox's root. The command line gives each its exit code (see relay/cli)."""

from __future__ import annotations

from outbox.errors import (
    CursorInUse,
    CursorMismatch,
    DeliveryError,
    DeliveryFailed,
    DeliveryRefused,
    LetterCorrupt,
    LetterTaken,
    PoisonCode,
    PoisonMessage,
    ReaderPaused,
    Unreachable,
    Verdict,
)

__all__ = [
    "CursorInUse",
    "CursorMismatch",
    "DeliveryFailed",
    "DeliveryRefused",
    "InvalidSettings",
    "LetterCorrupt",
    "LetterTaken",
    "PoisonCode",
    "PoisonMessage",
    "ReaderPaused",
    "RelayError",
    "TopicMissing",
    "Unreachable",
    "Verdict",
]

RelayError = DeliveryError
"""The root of what a relay raises beside the outbox's own errors."""


class InvalidSettings(RelayError):
    """Settings that cannot be used: one readable line for each thing that is wrong, never a secret's value."""


class TopicMissing(RelayError):
    """A topic that is needed is not there, may not be written to, or is not set up as it must be."""
