"""Output that cannot be written: how a command ends, and what it says."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import pytest
from rich.console import Console

from outbox.cli.shell.output import CLOSED_PIPE, OutputLost, escape_the_unprintable, output_watched

FULL = Path("/dev/full")
needs_a_full_disk = pytest.mark.skipif(not FULL.is_char_device(), reason="/dev/full is Linux's")
Write = Callable[[], object]
SHORT, LONG = (lambda: sys.stdout.write("a line\n")), (lambda: sys.stdout.write("x" * 100_000))


def ended(stdout: TextIO, stderr: Path, monkeypatch: pytest.MonkeyPatch, write: Write) -> tuple[object, str]:
    """The exit code of a command that writes so, and what it says."""
    with stderr.open("w") as said, monkeypatch.context() as streams:
        streams.setattr(sys, "stdout", stdout)
        streams.setattr(sys, "stderr", said)
        with pytest.raises(SystemExit) as end, output_watched("relay"):
            write()
        sys.stderr.flush()
    return end.value.code, "" if stderr == FULL else stderr.read_text()


@needs_a_full_disk
@pytest.mark.parametrize("write", [SHORT, LONG, lambda: Console().print("by rich")])
def test_a_full_disk_ends_it_with_2_and_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, write: Write) -> None:
    said = "relay: the output cannot be written: No space left on device\n"
    with FULL.open("w") as stdout:
        assert ended(stdout, tmp_path / "stderr", monkeypatch, write) == (2, said)


@pytest.mark.parametrize("write", [SHORT, lambda: Console().print("by rich")])
def test_a_pipe_that_nobody_reads_ends_it_quietly_and_not_as_a_success(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, write: Write
) -> None:
    read, pipe = os.pipe()
    os.close(read)
    with os.fdopen(pipe, "w") as stdout:
        assert ended(stdout, tmp_path / "stderr", monkeypatch, write) == (CLOSED_PIPE, "")
    assert CLOSED_PIPE == 141


def test_what_is_lost_is_no_error_of_a_file_that_a_command_works_on() -> None:
    assert not issubclass(OutputLost, OSError)


@needs_a_full_disk
def test_a_line_of_stderr_that_is_lost_changes_no_exit_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail() -> None:
        sys.stderr.write("why\n")
        sys.stderr.flush()
        raise SystemExit(3)

    with (tmp_path / "stdout").open("w") as stdout:
        assert ended(stdout, FULL, monkeypatch, fail) == (3, "")


def test_what_is_written_arrives_whole_and_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "stdout"
    with file.open("w", encoding="utf-8") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(sys, "stderr", None)
        with output_watched("relay"):
            sys.stdout.write("é\n")
            sys.stdout.flush()
            sys.stdout.buffer.write(b"bytes\n" * 20_000)

    assert file.read_bytes() == "é\n".encode() + b"bytes\n" * 20_000


@needs_a_full_disk
@pytest.mark.parametrize("program", ["outbox", "relay"])
def test_both_programs_are_watched(program: str) -> None:
    line = f"exec {sys.executable} -c 'from {program}.cli import main; main()' --version >/dev/full"
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (2, f"{program}: the output cannot be written: No space left on device\n")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_the_terminal_s_encoding_lacks_is_escaped(monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, stream, io.TextIOWrapper(written, encoding="ascii"))

    escape_the_unprintable()
    print("é\udc80", file=getattr(sys, stream), flush=True)

    assert written.getvalue() == b"\\xe9\\udc80\n"
