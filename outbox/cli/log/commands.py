"""The commands `outbox create`, `status`, `tail`, `inspect` and `sequence`."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import threading
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from bson import ObjectId

from outbox import errors
from outbox.cli.application import App, archive_at, archive_errors, check_types, full_name, opened, start_at
from outbox.cli.exit_codes import UNEXPECTED
from outbox.cli.options import ArchiveName, ArchiveUrl, AsJson, AsJsonLines, OnlyKey, listed
from outbox.cli.shell.completion import one_of
from outbox.cli.shell.output import OutputLost
from outbox.cli.shell.signals import Format, LogFormat, stop_on_signals
from outbox.cli.terminal import RecordPrinter, print_json, print_location, print_status, text
from outbox.mongo.server_errors import patiently
from outbox.monitoring.units import format_bytes
from outbox.outbox import Outbox
from outbox.readers.pool import connection_held
from outbox.readers.start import WORDS, Start
from outbox.sequencer.loop import run_sequencer as sequence_until
from outbox.sequencer.sequencer import Sequencer

if TYPE_CHECKING:
    from outbox.archive import Archive


def create(app: App, as_json: AsJson = False) -> None:
    """Make the collections, or add what is new to them.

    New are message classes, and a larger capacity. Run it at each deployment, before the services start: it is
    idempotent, and older services may be putting meanwhile.
    """
    with opened(app) as outbox:
        outbox.create()
        capacity = patiently(outbox.log.describe).size
        types = outbox.types()
        if as_json:
            print(json.dumps({"outbox": full_name(outbox), "capacity": capacity, "types": types}))
            return
        said = ", ".join(types) or "no message types yet"
        print(f"{full_name(outbox)} is ready: a log of {format_bytes(capacity)}; {said}")


def status(app: App, as_json: AsJson = False) -> None:
    """Show what is in it, who numbers, and how far readers are."""
    with opened(app) as outbox:
        shown = outbox.status()
        if as_json:
            print(json.dumps(asdict(shown), default=text))
        else:
            print_status(full_name(outbox), shown)


def tail(
    app: App,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="earliest, latest, a seq or a date (2025-01-31T12:00Z) [default: latest; with --no-follow earliest]",
            autocompletion=one_of(*WORDS),
        ),
    ] = None,
    types: Annotated[
        list[str] | None,
        typer.Option(
            "--types",
            "--type",
            metavar="TYPES",
            help="Only these message types: a,b; may be repeated.",
            show_default=False,
        ),
    ] = None,
    key: OnlyKey = None,
    as_json: AsJsonLines = False,
    no_follow: Annotated[bool, typer.Option("--no-follow", help="Print what is there, then end.")] = False,
) -> None:
    """Print records as they come, until SIGTERM or Ctrl-C. As JSON, data is MongoDB's relaxed Extended JSON.

    It only reads: what staging holds gets its numbers from a relay, a service, or `outbox sequence`.
    """
    chosen = listed(types) or None
    with opened(app) as application, _reading(application) as outbox:
        patiently(outbox.log.describe)  # raises if create() was never run
        check_types(chosen or [], outbox)
        show = print_json if as_json else RecordPrinter()
        if no_follow:
            with _enough():
                for record in outbox.read(start_of(start or "earliest"), types=chosen, key=key):
                    show(record)
            return
        ended = threading.Event()
        failures: list[Exception] = []

        def fail(error: Exception) -> None:
            failures.append(error)
            ended.set()

        previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
        subscription = outbox.observe(start_of(start or "latest"), types=chosen, key=key).subscribe(
            show, fail, ended.set
        )
        try:
            ended.wait()
        except KeyboardInterrupt:
            pass  # Ctrl-C is how people end it
        finally:
            subscription.dispose()
            signal.signal(signal.SIGTERM, previous)
        with _enough():
            if failures:
                raise failures[0]


@contextlib.contextmanager
def _enough() -> Iterator[None]:
    """Ends well when whoever reads the output has enough: that is how one ends `| head`."""
    try:
        yield
    except OutputLost as lost:
        if not lost.is_closed_pipe:
            raise


def _reading(application: Outbox) -> Outbox:
    """Makes an outbox over the same collections that never sequences, and shows data as stored."""
    return Outbox(application.collections.database, application.name, sequence=False)


def start_of(where: str) -> Start:
    """Reads the value of `--start`. Raises InvalidStart."""
    return start_at(where, WORDS)


def inspect(
    app: App,
    message: Annotated[str, typer.Argument(metavar="ID|SEQ", help="A message's id, 24 hex digits, or its seq.")],
    archive: ArchiveUrl = None,
    archive_name: ArchiveName = "main",
    as_json: AsJson = False,
) -> None:
    """Show where a message is, and which readers have passed it.

    A message that the log does not hold makes the server read the whole log, and then all of the archive at worst.
    Ends with 1 when it is nowhere.
    """
    with opened(app) as outbox, archive_errors():
        history = None if archive is None else archive_at(archive, archive_name)
        location = outbox.find(_id_of(message, outbox, history), history)
        if as_json:
            print(json.dumps(asdict(location), default=text))
        else:
            print_location(location)
        if location.place == "unknown":
            raise SystemExit(UNEXPECTED)


def _id_of(message: str, outbox: Outbox, history: Archive | None) -> str | ObjectId:
    """Returns the id of the message that the log, or the archive, has under a seq, or what was given. Raises
    InvalidStart."""
    if not message.isdecimal() or ObjectId.is_valid(message):
        return message
    seq = int(message)
    record = patiently(lambda: outbox.log.record_at(seq))
    if record is None and history is not None and history.oldest <= seq:
        record = next(history.read(seq, seq), None)
    if record is None:
        log = patiently(outbox.log.newest)
        raise errors.InvalidStart(
            f"the log does not hold seq {message}: it has {outbox.log.earliest():,} to {log.last:,}. A message that it "
            "has no more is found by its id, or in an archive with --archive"
        )
    return record.id


def sequence(
    app: App,
    keep: Annotated[
        bool, typer.Option("--keep", help="Number what comes, until SIGTERM or Ctrl-C, or stand by for who does.")
    ] = False,
    as_json: AsJson = False,
    log_format: LogFormat = Format.TEXT,
) -> None:
    """Number what staging holds, once, and print the count.

    The count is 0 also when another process numbers. One that was killed is waited for, 3 s.
    """
    with opened(app) as outbox:
        patiently(outbox.log.describe)  # as above
        if not keep:
            count = outbox.sequence()
            print(json.dumps({"numbered": count}) if as_json else count)
            return
        stop = stop_on_signals(log_format)
        logging.getLogger("outbox").setLevel(logging.INFO)
        with connection_held(outbox.collections.client, full_name(outbox)) as pause:
            sequence_until(outbox.collections, Sequencer(outbox.collections), stop, pause=pause)
