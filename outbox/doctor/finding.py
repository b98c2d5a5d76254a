"""What the doctor finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pymongo.errors import PyMongoError

from outbox.errors import OutboxError
from outbox.mongo.server_errors import is_unauthorized, short_message


@dataclass(frozen=True, slots=True)
class Finding:
    """Says one thing that is not as it should be."""

    check: str
    """Which check found it, such as `oplog`."""
    what: str
    """What is so."""
    why: str
    """Why it matters."""
    mend: str
    """What to do: the command, where there is one."""
    serious: bool = False
    """Whether messages may be lost, or do not arrive, until somebody does something."""


Check = Callable[[], Iterable[Finding]]


def examined(checks: dict[str, Check]) -> Iterator[Finding]:
    """Yields what the checks find, in their order; one that fails is a finding itself."""
    for name, check in checks.items():
        try:
            yield from check()
        except (PyMongoError, OutboxError) as error:
            yield _failed(name, error)


def _failed(name: str, error: Exception) -> Finding:
    why = "what it looks for may be so"
    if is_unauthorized(error):
        return Finding(
            name, f"this check needs a right that the user does not have: {short_message(error)}", why,
            "grant it, as docs/security.md says, or run the doctor as a user of the role clusterMonitor",
        )  # fmt: skip
    return Finding(name, f"this check failed: {short_message(error)}", why, "mend that, and run it again", serious=True)
