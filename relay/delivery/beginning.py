"""The beginning: where a relay starts that has no cursor yet."""

from __future__ import annotations

from collections.abc import Callable

from outbox.errors import HistoryLost
from outbox.readers.start import resolve
from relay.delivery.config import RelayConfig
from relay.encoding.encoder import Position
from relay.shares.cursor_admin import position_at


def begun(job: RelayConfig, save: Callable[[Position], None]) -> Position:
    """Chooses where a relay begins that has no cursor, has `save` make the cursor, and returns it when it is sure that
    the next record stays: from then on the sequencer waits for this relay. Until then a busy log goes on rolling over.

    Raises InvalidStart, and HistoryLost when a seq was asked for, or the beginning, that has gone.
    """
    log, is_exact = job.outbox.log, job.start == "beginning" or isinstance(job.start, int)
    while True:
        seq, oldest = resolve(job.first, log), log.oldest()
        if seq >= oldest or not is_exact:
            cursor = position_at(max(seq, oldest) - 1, log)
            save(cursor)
            oldest = log.oldest()  # after the save: see outbox.log.edge
            if oldest <= cursor[0] + 1:
                return cursor
        if is_exact:
            raise HistoryLost(seq, oldest)
