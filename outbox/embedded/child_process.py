"""A child process that never outlives this one, whatever ends this one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# Runs in an interpreter of its own and blocks on a pipe whose other end only the parent holds. Its end means that the
# parent is gone, by whatever signal. (PR_SET_PDEATHSIG is no substitute: it is Linux's alone, and it also fires when
# merely the *thread* that started the child ends.)
_WATCHDOG = """
import os, shutil, signal, sys
sys.stdin.buffer.read()
try:
    os.kill(int(sys.argv[1]), getattr(signal, "SIGKILL", signal.SIGTERM))
except ProcessLookupError:
    pass
for folder in sys.argv[2:]:
    shutil.rmtree(folder, ignore_errors=True)
"""


class ChildProcess:
    """Runs `command`, its output appended to the file `log`, until `stop()`, `kill()` or the end of this process.

    `scratch` is a folder that goes when this process dies without having stopped the child. The child has a session
    of its own: Ctrl-C in the terminal reaches this process only, which then stops its children in its own order.
    Raises OSError when the command cannot be started. Use it from one thread at a time.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        scratch: Path | None = None,
    ) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        folders = [] if scratch is None else [str(scratch)]
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WATCHDOG, str(self.pid), *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: ended by that signal."""
        code = self._process.poll()
        if code is not None:
            self._dismiss_watchdog()
        return code

    def wait(self, seconds: float) -> int:
        """Waits for the end and returns the exit code. Raises TimeoutError."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"process {self.pid} still runs after {seconds} s") from None
        self._dismiss_watchdog()
        return code

    def stop(self, seconds: float = 20.0) -> None:
        """Asks it to end (SIGTERM), and kills it after `seconds`. Nothing happens if it has ended."""
        if self.exit_code is None:
            self._process.terminate()
            try:
                self.wait(seconds)
            except TimeoutError:
                self.kill()

    def kill(self) -> None:
        """Ends it at once (SIGKILL). Nothing happens if it has ended."""
        if self.exit_code is None:
            self._process.kill()
            self._process.wait()
            self._dismiss_watchdog()

    def _dismiss_watchdog(self) -> None:
        if self._watchdog.returncode is None:
            self._watchdog.kill()
            self._watchdog.wait()
            assert self._watchdog.stdin is not None
            self._watchdog.stdin.close()
