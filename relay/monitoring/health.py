"""Whether a relay is healthy, on whichever machine it runs: its leases are read until their beats have moved."""

from __future__ import annotations

from typing import Any

from outbox import Outbox
from outbox.clock import Clock
from outbox.log.reader_id import relay_id
from outbox.mongo.lease import SECONDS, read_lease, seconds_of
from outbox.mongo.process_identity import is_gone
from outbox.mongo.server import unconfirmed, unconfirmed_seconds
from outbox.mongo.server_errors import patient
from outbox.monitoring.status import is_unsequenced
from outbox.shares.layout import load
from outbox.shares.share import shares

_LOOK_SECONDS = 0.2


@patient
def unhealthy(outbox: Outbox, name: str, clock: Clock, seconds: float = SECONDS) -> str | None:
    """Says why the relay `name` is not healthy; None when it is.

    It is healthy when its lease, or that of each share, is held and beats within `seconds`, and no committed message
    waits for a sequencer. Takes up to a third of the lease time; no two machines' clocks are compared.
    """
    began = clock.monotonic()
    unseen = {share.name(name): (0, 0) for share in shares(load(outbox.collections, relay_id(name)).total)}
    while True:
        for share_name, before in list(unseen.items()):
            lease = read_lease(outbox.collections.leases, relay_id(share_name))
            if lease is None:
                return f"no relay {share_name!r} has ever worked on this outbox"
            if lease["owner"] is None and "stopped" in lease:
                return f"relay {share_name!r} has stopped: {lease['stopped']['why']}"
            if lease["owner"] is None:
                return f"no relay {share_name!r} is at work: the last one gave its lease back"
            if is_gone(lease.get("process")):
                return f"the process of relay {share_name!r} ({lease['owner']}) has ended and nobody has taken over yet"
            unseen[share_name] = beat = lease["fence"], lease["beat"]
            patience = _patience(lease, seconds)
            if before not in ((0, 0), beat):
                del unseen[share_name]
            elif clock.monotonic() > began + patience:
                return _silent(outbox, f"relay {share_name!r} ({lease['owner']})", patience)
        if not unseen:
            return _unsequenced(outbox)
        clock.wait(_LOOK_SECONDS)


def _silent(outbox: Outbox, who: str, seconds: float) -> str:
    """Says that a holder gave no sign of life; or that none can be given."""
    without = unconfirmed_seconds(outbox.collections.client)
    return unconfirmed(without) if without else f"{who} gave no sign of life for {seconds:g} s"


def _patience(lease: dict[str, Any], seconds: float) -> float:
    """Returns how long a beat is waited for: longer than `seconds` only if the holder asked for a longer lease."""
    asked = seconds_of(lease, seconds)
    return asked if asked > SECONDS else seconds


def _unsequenced(outbox: Outbox) -> str | None:
    if not is_unsequenced(outbox.collections):
        return None
    return (
        f"messages wait in {outbox.collections.staging.full_name}, and no process numbers them, so none arrives. The "
        "log output of those that should says why; `outbox sequence APP --keep` numbers, too"
    )
