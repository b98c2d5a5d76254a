"""How values of one type are stored: the form of a field's value, and of what is inside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from outbox.messages.dialects import Dialect, Schema
from outbox.messages.not_json import not_json
from outbox.messages.writing.layout import ValueLayout, by_python

_CHARACTERS = 60


class Unfit(ValueError):
    """A value that its form does not take. Never leaves the package."""

    def __init__(self, why: str, path: str = "") -> None:
        super().__init__(f"{path.removeprefix('.')}: {why}" if path else why)
        self.why = why
        self.path = path


class Inside:
    """Adds a step to the path of a value that does not fit: a field's name, or an item's number."""

    __slots__ = ("_step",)

    def __init__(self, step: str | int) -> None:
        self._step = step

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Unfit):
            raise inside(self._step, error) from None


def inside(step: str | int, error: Unfit) -> Unfit:
    """Returns the error with a step more in its path, where a `with Inside` for each value would take too long."""
    return Unfit(error.why, (f"[{step}]" if isinstance(step, int) else f".{step}") + error.path)


def short(value: object) -> str:
    """Returns a value's text for an error, not longer than can be read."""
    text = repr(value)
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}…"


@dataclass(frozen=True)
class Form:
    """Stores values of one type. `encode` and `decode` raise Unfit for what is none of this type."""

    by_user: bool = field(default=False, kw_only=True)
    """Whether validators of the user's own stand between what is given and the value."""

    def schema(self, dialect: Dialect) -> Schema:
        """Makes the schema of what is stored."""
        raise NotImplementedError

    def encode(self, value: Any) -> Any:
        """Returns what is stored, as BSON has it. Checks all that the schema does."""
        raise NotImplementedError

    def decode(self, stored: Any) -> Any:
        """Returns the value. Checks no more than the type: an older deploy may have had other bounds."""
        raise NotImplementedError

    @property
    def layout(self) -> ValueLayout:
        """Lays it out for the writer in C, which may take less than `encode`, and never more. By default `encode` does
        it."""
        return by_python(self._stored)

    def _stored(self, value: Any) -> Any:
        stored = self.encode(value)
        missing = not_json({"": stored})
        if missing is not None:
            raise Unfit(missing)
        return stored

    @property
    def types(self) -> frozenset[str]:
        """The BSON types that are stored, for telling forms apart."""
        raise NotImplementedError

    @property
    def is_plain(self) -> bool:
        """Tells whether the value is what is stored, so that it is all one by which form it is decoded."""
        return False

    def known(self, stored: Any) -> int:
        """Counts the fields of a document that this form knows: of several that fit, the right one knows most."""
        return 0
