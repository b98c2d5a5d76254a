"""The commands `outbox export`, `import` and `mirror`: messages out of an outbox and into another one."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from outbox import errors
from outbox.cli.application import App, archive_at, check_types, full_name, opened, start_at
from outbox.cli.exit_codes import USAGE
from outbox.cli.options import ArchiveName, ArchiveUrl, AsJson, OnlyKey, Types, listed
from outbox.cli.shell.completion import applications, one_of
from outbox.cli.shell.output import CLOSED_PIPE
from outbox.cli.shell.signals import Format, LogFormat, stop_on_signals
from outbox.dead_letters.policy import OnPoison
from outbox.readers.start import DURABLE_WORDS
from outbox.readers.start import read as read_start

if TYPE_CHECKING:
    from outbox.outbox import Outbox
    from outbox.transfer.exporting import Export

POLICIES: tuple[OnPoison, ...] = ("stop", "dead-letter", "park-key")
PIPE = "-"
EARLIEST: Literal["earliest"] = "earliest"


def export_(
    app: App,
    to: Annotated[str, typer.Argument(metavar="FILE", help="Where to; - is stdout.")] = PIPE,
    start: Annotated[
        str, typer.Option("--from", metavar="WHERE", help="A seq or a date, included; earliest for all there is.")
    ] = EARLIEST,
    end: Annotated[
        str | None, typer.Option("--to", metavar="WHERE", help="A seq or a date, included [default: the newest].")
    ] = None,
    types: Types = None,
    key: OnlyKey = None,
    archive: ArchiveUrl = None,
    archive_name: ArchiveName = "main",
) -> None:
    """Write messages as lines of JSON, which `outbox import` reads.

    They keep every type of BSON. A file is there when it is complete. What is put after the beginning is left out.
    """
    with opened(app) as outbox:
        from outbox.transfer.exporting import Export

        chosen = listed(types) or None
        check_types(chosen or [], outbox)
        history = None if archive is None else archive_at(archive, archive_name)
        export = Export(outbox.collections, *_span(start, end), chosen, key, history)
        try:
            _write_to(to, export, outbox)
        except BrokenPipeError:  # of a pipe with a name
            raise SystemExit(CLOSED_PIPE) from None  # not all was read, so this is no success
        except OSError as error:
            sys.stderr.write(f"outbox: {to} cannot be written: {error}\n")
            raise SystemExit(USAGE) from None


def _span(first: str, last: str | None) -> tuple[Literal["earliest"] | int | datetime, int | datetime | None]:
    start, end = _place("--from", first), _end(last)
    if (isinstance(start, int) and isinstance(end, int) and start > end) or (
        isinstance(start, datetime) and isinstance(end, datetime) and start > end
    ):
        raise errors.InvalidStart(f"--from {first} --to {last}: it ends before it begins")
    return start, end


def _end(text: str | None) -> int | datetime | None:
    if text is None:
        return None
    place = _place("--to", text)
    if isinstance(place, str):
        raise errors.InvalidStart(f"--to {text!r}: leave it out for the newest there is")
    return place


def _place(option: str, text: str) -> Literal["earliest"] | int | datetime:
    try:
        return read_start(text, (EARLIEST,))
    except ValueError:
        raise errors.InvalidStart(f"{option} {text!r} is neither a seq nor a date such as 2025-01-31T12:00Z") from None


def _write_to(to: str, export: Export, outbox: Outbox) -> None:
    path = Path(to)
    if to == PIPE:
        _write(_binary(sys.stdout), export, outbox)
    elif path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    elif path.exists() and not path.is_file():
        with path.open("wb") as stream:  # a device, or a pipe with a name: a file would take its place
            _write(stream, export, outbox)
    else:
        _write_to_file(path.resolve(), export, outbox)  # a link, such as /dev/stdout, stays one


def _binary(standard: TextIO | None) -> IO[bytes]:
    """Returns the bytes of stdin or stdout. Raises OSError where the shell has closed it."""
    if standard is None:
        raise OSError(errno.EBADF, "it is closed")
    return standard.buffer


def _write_to_file(path: Path, export: Export, outbox: Outbox) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as stream:
            _write(stream, export, outbox)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _write(stream: IO[bytes], export: Export, outbox: Outbox) -> None:
    head = export.head()
    from outbox.cli.progress import RecordProgress

    with RecordProgress(full_name(outbox), head) as progress:
        for seq, lines in export.read(head):
            stream.writelines(lines)
            progress.reach(min(seq, head), sum(map(len, lines)))


def import_(
    app: App,
    source: Annotated[
        str, typer.Argument(metavar="FILE", help="What an export or an archive wrote; - is stdin.")
    ] = PIPE,
    as_json: AsJson = False,
) -> None:
    """Put the messages of an export, each once however often.

    They get new numbers; headers say where they are from. At a line that is refused it ends with 4: what comes before
    it is in. Give the same lines again once that is mended.
    """
    with opened(app) as outbox, _lines(source) as lines:
        from outbox.cli.progress import RecordProgress
        from outbox.transfer.importing import import_lines, lines_of

        with RecordProgress(full_name(outbox), None) as progress:
            counts = import_lines(outbox.collections, lines_of(lines), lambda counts: progress.reach(counts.read))
        there = counts.read - counts.put
        if as_json:
            print(json.dumps({"outbox": full_name(outbox), "put": counts.put, "were_there": there}))
            return
        print(f"{full_name(outbox)}: {counts.put:,} message(s) put, {there:,} were there already")


def mirror(
    app: App,
    to: Annotated[
        str,
        typer.Option(
            metavar="APP2",
            help="The other outbox, as APP; on this replica set or another.",
            autocompletion=applications,
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Its name as a durable reader, mirror:NAME [default: the other outbox's name]"
        ),
    ] = None,
    start: Annotated[
        str,
        typer.Option(
            metavar="WHERE",
            help="Without a cursor: beginning, oldest, latest, a seq or a date.",
            autocompletion=one_of(*DURABLE_WORDS),
        ),
    ] = "oldest",
    archive: ArchiveUrl = None,
    archive_name: ArchiveName = "main",
    on_poison: Annotated[
        str,
        typer.Option(
            metavar="POLICY",
            help="On what is refused there: stop, dead-letter, park-key.",
            autocompletion=one_of(*POLICIES),
        ),
    ] = "stop",
    once: Annotated[bool, typer.Option("--once", help="Mirror what there is, then end.")] = False,
    log_format: LogFormat = Format.TEXT,
) -> None:
    """Put messages into another outbox as they come.

    Each once and in order, until SIGTERM or Ctrl-C. A durable reader: the log rolls over nothing that has not arrived.
    One process works, others stand by.
    """
    with opened(app) as outbox, opened(to) as destination:
        from outbox.transfer.mirroring import mirror as run

        policy = _policy(on_poison)
        place = start_at(start, DURABLE_WORDS)
        stop = stop_on_signals(log_format)
        history = None if archive is None else archive_at(archive, archive_name)
        with destination.running():
            run(
                outbox, destination.collections, name, stop=stop, start=place, history=history,
                on_poison=policy, once=once,
            )  # fmt: skip


def _policy(text: str) -> OnPoison:
    for known in POLICIES:
        if text == known:
            return known
    raise errors.InvalidArgument(f"--on-poison {text!r}: one of {', '.join(POLICIES)}")


@contextlib.contextmanager
def _lines(source: str) -> Iterator[IO[bytes]]:
    with contextlib.ExitStack() as stack:
        try:
            stream = _binary(sys.stdin) if source == PIPE else stack.enter_context(Path(source).open("rb"))
        except OSError as error:
            sys.stderr.write(f"outbox: {source} cannot be read: {error}\n")
            raise SystemExit(USAGE) from None
        yield stream
