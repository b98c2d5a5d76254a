"""Says what is wrong, and what to do about it, of what was seen of an outbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from outbox.log.reader_id import forget_command, reset_command, resume_command
from outbox.monitoring.headroom_warning import SHARE
from outbox.monitoring.units import format_duration
from relay.monitoring.page.look import Look

STAGED_SECONDS = 10.0
BEHIND_SECONDS = 5.0
_MOST_NAMED = 3


class Notice(NamedTuple):
    """One thing that somebody should know."""

    level: Literal["bad", "warn"]
    what: str
    do: str


def notices(seen: Look) -> list[Notice]:
    """Says all there is to say of an outbox, what is bad first."""
    found = [*_of_the_sequencer(seen), *_of_the_readers(seen), *_of_the_leases(seen)]
    return sorted(found, key=lambda notice: notice.level)


def _of_the_sequencer(seen: Look) -> Iterator[Notice]:
    now, held = seen.status, seen.status.held
    waits = format_duration(now.staging_seconds or 0)
    if now.unsequenced:
        yield Notice(
            "bad", f"Nobody sequences: messages have waited in staging for {waits}.",
            "Start a relay, or `outbox sequence APP --keep`. The log output of those that should says why they do not.",
        )  # fmt: skip
    elif (now.staging_seconds or 0) >= STAGED_SECONDS and held is None:
        yield Notice(
            "bad", f"The oldest message in staging has waited for {waits}, though {now.holder} sequences.",
            "Does a majority of MongoDB answer? Is its disk full? `outbox doctor APP` looks.",
        )  # fmt: skip
    if held is not None:
        yield Notice(
            "bad",
            f"The log is full of what {held.reader} has not read: nothing has been numbered for "
            f"{format_duration(held.seconds)}.",
            f"Get it going, or give up what it has not read: `{forget_command(held.reader)}`. A larger capacity helps.",
        )

    unlogged = now.dead - sum(reader.dead_letters for reader in seen.readers)
    if unlogged > 0:
        yield Notice(
            "warn", f"The log itself, or a reader that is gone, has put {unlogged:,} message(s) aside.",
            "They are among the dead letters of any reader below, with the reason.",
        )  # fmt: skip


def _of_the_readers(seen: Look) -> Iterator[Notice]:
    for reader in seen.readers:
        if reader.fault is not None:
            yield Notice(
                "bad", f"The cursor of {reader.id} is damaged: {reader.fault}", f"`{reset_command(reader.id)}`"
            )
    sound = [reader for reader in seen.readers if reader.fault is None]
    left = {reader.id: seen.headroom.get(reader.id, 1.0) for reader in sound}
    if lost := [id for id, share in left.items() if share <= 0]:
        yield Notice(
            "bad", f"{_named(lost)}: history is lost, or the log is full of what is unread.",
            f"If it stopped with HistoryLost, `{reset_command(lost[0])} …` goes on with what is left.",
        )  # fmt: skip
    if near := [id for id, share in left.items() if 0 < share < SHARE]:
        least = min(left[id] for id in near)
        yield Notice(
            "warn", f"{_named(near)}: {least:.0%} of the capacity is left before the sequencer waits.",
            "Get it going, or enlarge the capacity, while there is time.",
        )  # fmt: skip
    if paused := [reader.id for reader in sound if reader.paused]:
        yield Notice(
            "warn", f"{_named(paused)}: paused, and holds the log all the same.",
            f"`{resume_command(paused[0])}` lets it go on.",
        )  # fmt: skip
    going = [reader for reader in sound if not reader.paused and reader.lag]
    if alone := [reader.id for reader in going if reader.holder is None]:
        yield Notice("warn", f"{_named(alone)}: behind, and nobody works for it.", "Start it.")
    waits = {reader.id: seen.waiting.get(reader.id, 0.0) for reader in going if reader.holder is not None}
    if slow := [id for id, seconds in waits.items() if seconds >= BEHIND_SECONDS]:
        longest = format_duration(max(waits[id] for id in slow))
        yield Notice(
            "warn", f"{_named(slow)}: behind, the next record has waited for {longest}.",
            "Does its target answer and acknowledge? Its log output says so. Else shares divide its work.",
        )  # fmt: skip
    if put_aside := [reader.id for reader in sound if reader.dead_letters]:
        dead, parked = sum(reader.dead_letters for reader in sound), sum(reader.parked for reader in sound)
        yield Notice(
            "warn", f"{_named(put_aside)}: {dead:,} message(s) could not be delivered, {parked:,} are parked behind.",
            "Look at them below, then requeue or discard them.",
        )  # fmt: skip


def _named(readers: list[str]) -> str:
    """Names readers, few of them when they are many."""
    more = len(readers) - _MOST_NAMED
    return ", ".join(readers) if more <= 1 else f"{', '.join(readers[:_MOST_NAMED])} and {more} more"


def _of_the_leases(seen: Look) -> Iterator[Notice]:
    for lease in seen.leases:
        if lease["stopped"] is not None and lease["holder"] is None:
            yield Notice(
                "bad", f"{lease['role']} has stopped: {lease['stopped']['why']}",
                "What to do stands in its log output; then start it again.",
            )  # fmt: skip
