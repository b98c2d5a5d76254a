"""What works beside the gateway in one process: the archive, the discarding, a relay, each on a thread."""

from __future__ import annotations

import contextlib
import pkgutil
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from outbox.errors import InvalidArgument
from outbox.log.reader_id import reader_id
from outbox.outbox import Outbox

AGE = timedelta(days=90)
"""So old is what is discarded, as `outbox discard` has it by itself."""


@dataclass(frozen=True)
class Part:
    """One of them."""

    run: Callable[[threading.Event], None]
    """Works until the event is set. Blocks."""
    trouble: Callable[[], str] = str
    """Says what it waits for; "" when it goes on. Asks nobody."""


@contextlib.contextmanager
def beside(parts: Mapping[str, Part], failed: Callable[[], object]) -> Iterator[None]:
    """Runs parts inside the `with`; at its end they are told to stop, and waited for.

    failed: is called, on its thread, when one raises, for the `with` to be left: half of what a service needs is not to
    go on without the other, unseen. What the first has raised is raised then.
    """
    stop, errors = threading.Event(), list[BaseException]()

    def run(part: Part) -> None:
        try:
            part.run(stop)
        except BaseException as error:  # noqa: BLE001  # it is raised again on the main thread
            errors.append(error)
            failed()

    threads = [
        threading.Thread(target=run, args=(part,), name=f"outbox-{name}", daemon=True) for name, part in parts.items()
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]


def archiving(outbox: Outbox, url: str) -> Part:
    """Makes the part that keeps an archive. Raises InvalidArchive."""
    from outbox.archive import Archive
    from outbox.archive.archiving import archive_log
    from outbox.archive.delivery import KIND

    archive = Archive(url)
    tally = outbox.collections.tally.reader(reader_id(KIND, archive.name))
    return Part(lambda stop: archive_log(outbox, archive, stop=stop), lambda: tally.trouble)


def discarding(outbox: Outbox) -> Part:
    """Makes the part that removes what has its time behind it; of an archive nothing."""
    from outbox.discarding.daily import discard_daily
    from outbox.discarding.discard import Discard

    return Part(partial(discard_daily, Discard(outbox.collections, AGE)))


def relaying(config: Path) -> Part:
    """Makes the part that relays as `relay run --config` does. Ends the command for settings that are wrong."""
    try:
        # By name, for the relay stands on the outbox: only whoever asks for it has it loaded.
        relay = pkgutil.resolve_name("relay.cli.running.beside:Beside")(str(config))
    except ModuleNotFoundError as missing:
        raise InvalidArgument(f"--relay: {missing}; it needs the extra 'relay'") from None
    return Part(relay.run, relay.trouble)
