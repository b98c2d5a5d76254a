"""How the durable reader `archive:NAME` goes on: where the archive ends. Its cursor only holds the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from outbox.archive.archive import Archive
from outbox.archive.line import Line
from outbox.archive.target import Chunks, LineEncoder
from outbox.dead_letters.store import DeadLetterStore
from outbox.delivery.at_least_once import AtLeastOnce, Restart
from outbox.delivery.config import DeliveryConfig
from outbox.delivery.ports import OpenOutbox, Target
from outbox.errors import (
    CursorMismatch,
    HistoryLost,
    InvalidArchive,
    LogReplaced,
    OutboxNotCreated,
    PoisonMessage,
)
from outbox.log.cursors import CursorStore
from outbox.log.position import Position, verify_position
from outbox.log.reader_id import reset_command
from outbox.mongo.lease import Lease
from outbox.shares.layout import share_cursor
from outbox.shares.reader_logger import ReaderLogger
from outbox.shares.share import Share

KIND = "archive"


class ArchiveDelivery(AtLeastOnce):
    """See AtLeastOnce. A chunk that counts is passed, though the process died before it could save its position; and
    one that was lost again is not, though the position is behind it."""

    def __init__(
        self, outbox: OpenOutbox, cursors: CursorStore, archive: Archive, target: Chunks, log: ReaderLogger
    ) -> None:
        super().__init__(outbox, cursors)
        self._archive = archive
        self._target = target
        self._log = log

    def position(self, lease: Lease, letters: DeadLetterStore) -> Position | None:
        """See AtLeastOnce. Raises CursorMismatch when the archive is of another log, ArchiveDamaged, and
        DeliveryFailed when its place does not answer."""
        self._target.lease = lease
        with self._outbox.collections.client.start_session(causal_consistency=True) as session:
            self.cursors.claim(lease.fence, session)
            saved, reached = self.cursors.load(session), self._reached()
            if saved is None:
                return None
            if reached is None:
                if saved[0] > 0:
                    self._log.warning(
                        "%r is empty, and begins after seq %d. To begin with all that the log holds, stop this, and "
                        "`%s --to earliest`", self._archive, saved[0], reset_command(self.cursors.reader),
                    )  # fmt: skip
                reached = saved
            verify_position(reached, self._outbox.log, self.cursors.reader, session)
        if reached[0] != saved[0]:
            self.cursors.save(reached, lease.fence)
        return reached

    def _reached(self) -> Position | None:
        try:
            reached = self._archive.position()
            for name in self._archive.remove_leftovers():
                self._log.info("removed %s, which did not count", name)
        except OSError as error:
            raise self._target.failure(error) from error
        return reached

    def restart(self, lease: Lease) -> Restart:
        """See AtLeastOnce: another may have gone on with the archive."""

        def after(prefix: Position) -> Position:
            reached = self._reached()
            if reached is None or reached[0] <= prefix[0]:
                return prefix
            with self._outbox.collections.client.start_session(causal_consistency=True) as session:
                verify_position(reached, self._outbox.log, self.cursors.reader, session)
            return reached

        return after


@dataclass(frozen=True)
class ArchiveConfig(DeliveryConfig[Line]):
    """See outbox.archive.archiving.archive_log, whose arguments these are."""

    kind: ClassVar[str] = KIND

    archive: Archive

    def encoder(self, target: Target[Line], log: str) -> LineEncoder:
        """See DeliveryConfig."""
        assert isinstance(target, Chunks)
        return LineEncoder(target.format)

    @property
    def begins(self) -> str:
        """See DeliveryConfig."""
        return "archiving after seq %d (fence %d)"

    def delivery(self, target: Target[Line], share: Share) -> ArchiveDelivery:
        """See DeliveryConfig."""
        assert isinstance(target, Chunks)
        cursors = share_cursor(self.outbox.collections.cursors, self.reader, share)
        return ArchiveDelivery(self.outbox, cursors, self.archive, target, self.log(share))

    def begin(self, save: Callable[[Position], None]) -> Position:
        """See DeliveryConfig: after what the archive has, or with the oldest record of the log."""
        reached = self.archive.position()
        if reached is None:
            return super().begin(save)
        position = DeliveryConfig.begin(replace(self, start=reached[0] + 1), save)
        if position[2] not in (None, reached[2]):
            raise CursorMismatch(
                f"{self.archive!r} is of another log than {self.where}: at seq {reached[0]} it has {reached[2]}, and "
                f"the log {position[2]}"
            )
        return position

    def hint(self, error: PoisonMessage) -> str:
        """See DeliveryConfig. An archive takes every record."""
        raise NotImplementedError

    def way_on(self, lost: HistoryLost | LogReplaced | CursorMismatch | OutboxNotCreated) -> str:
        """See DeliveryConfig."""
        if isinstance(lost, OutboxNotCreated):
            return "Create the outbox, and run it again: Outbox(…).create(), or `outbox create APP`"
        return (
            f"An archive has no gap: {self.archive!r} stays as it is, and can be read. Begin another one, with --name "
            "or --to, for what the log holds now"
        )

    def other_shares(self, there_are: int, given: int) -> InvalidArchive:
        """See DeliveryConfig."""
        return InvalidArchive(f"{self.reader} has {there_are} shares, and an archive has one writer")
