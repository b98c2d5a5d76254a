"""What an operator can do when a relay has stopped: the commands to choose from, as they can be pasted."""

from __future__ import annotations

import shlex
from datetime import datetime

from pymongo.errors import PyMongoError

from outbox import dates
from outbox.errors import HistoryLost, LogReplaced, OutboxNotCreated
from outbox.log.log import Log
from outbox.log.position import Position
from outbox.log.reader_id import relay_id
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import short_message
from outbox.shares.layout import survey
from relay.errors import CursorMismatch, PoisonMessage


class RecoveryHints:
    """For the relay `name` of one outbox. The commands have all but the address, which may have a password."""

    def __init__(self, collections: Collections, name: str) -> None:
        self._collections = collections
        self._name = name

    def on_poison(self, error: PoisonMessage) -> str:
        """What to do about a message that can never be delivered."""
        aside = "let the relay put such messages aside: --on-poison dead-letter or park-key"
        skip = f"skip this one for good: {self._cursor_set(error.seq)}"
        if self._shares() > 1:  # for the others may be elsewhere
            return (
                f"Remove the cause and start the relay again; or {aside}. For good, with dead-letter, and then: "
                f"{shlex.join(['relay', 'dead', 'discard', error.id, *self._where, '--name', self._name])} --reason …"
            )
        if error.code == "unencodable":  # what is in the log stays as it is
            return f"Start the relay again as it is, and it stops here again. Either {aside}; or {skip}"
        return f"Remove the cause and start the relay again; or {aside}; or {skip}"

    def on_a_lost_place(self, error: HistoryLost | LogReplaced | CursorMismatch | OutboxNotCreated) -> str:
        """Where the relay can go on, when the log does not hold what it would deliver next. Asks the server."""
        try:
            cursor = survey(self._collections, relay_id(self._name)).slowest
            match error:
                case HistoryLost():
                    return self._on_lost_history(error, cursor)
                case OutboxNotCreated():
                    return self._on_no_log()
                case _:
                    return self._on_another_log(cursor)
        except OutboxNotCreated:
            return self._on_no_log()
        except PyMongoError as unavailable:
            return (
                f"What the log holds cannot be said just now: {short_message(unavailable)}. When `relay status` "
                f"shows it, choose the seq that counts as delivered last, or a date: {self._cursor_set('SEQ')}"
            )

    def _on_no_log(self) -> str:
        forget = shlex.join(["relay", "cursor", "forget", self._name, *self._where])
        return (
            "There is no log now. To make it anew, remove the cursor of this relay, if it has one, and create the "
            "outbox; then start the relay with --start beginning. The numbers begin at 1 again:\n"
            f"  {forget}\n  outbox create APP"
        )

    def _on_lost_history(self, lost: HistoryLost, cursor: Position | None) -> str:
        if cursor is None:
            return (
                "This relay has no cursor yet. To begin with what is left, start it with --start oldest; or with "
                "--start latest for nothing of it"
            )
        return (
            f"What was rolled over can be sent no more. To go on with what is left: {self._cursor_set(lost.oldest - 1)}"
        )

    def _on_another_log(self, cursor: Position | None) -> str:
        log = Log(self._collections)
        oldest, head = log.oldest(), log.head()
        first, last = log.record_at(oldest), log.record_at(head)
        delivered = None if cursor is None or not isinstance(cursor[1], datetime) else cursor[1]
        facts, choices = [], []
        if cursor is not None and cursor[1] is not None:
            facts.append(f"Delivered last was seq {cursor[0]}, created {dates.text(cursor[1])}.")
        if first is None or last is None:
            facts.append("This log is empty.")
        else:
            created = f"created {dates.text(first.created)} to {dates.text(last.created)}"
            facts.append(f"This log holds seq {oldest} to {head}, {created}.")
            choices.append((str(head), "what is put from now on: the log is a backup, and was delivered before"))
            if (
                delivered is not None
                and isinstance(last.created, datetime)
                and first.created < delivered <= last.created
            ):
                choices.append(
                    (dates.text(delivered), "what was put from that moment on: the backup has been written to since")
                )
        choices.append((str(oldest - 1), "all that it holds: the log was made anew"))
        facts.append("Choose where to go on, then start the relay again:")
        return "\n".join([" ".join(facts), *(f"  {self._cursor_set(to)}\n      {why}" for to, why in choices)])

    def _cursor_set(self, to: object) -> str:
        return shlex.join(["relay", "cursor", "set", str(to), *self._where, "--name", self._name])

    def _shares(self) -> int:
        try:
            return survey(self._collections, relay_id(self._name)).total
        except PyMongoError:  # what is said then is right in any case
            return 2

    @property
    def _where(self) -> list[str]:
        return ["--database", self._collections.database.name, "--outbox", self._collections.name]
