"""Processes of the acceptance tests: the scripts in processes/, started, listened to, killed and frozen."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from outbox.embedded.child_process import ChildProcess
from tests.waiting import wait_until

SCRIPTS = Path(__file__).parent / "processes"


class Process:
    """A script of processes/, running until it ends or is ended; what it prints is kept in `output`."""

    def __init__(self, output: Path, script: str, *arguments: object) -> None:
        self.output = output
        self.name = script
        self._child = ChildProcess([sys.executable, SCRIPTS / f"{script}.py", *map(str, arguments)], log=output)

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: ended by that signal."""
        return self._child.exit_code

    @property
    def pid(self) -> int:
        return self._child.pid

    def said(self) -> str:
        """All it has printed, log lines included."""
        return self.output.read_text()

    def wait(self, cap_seconds: float) -> int:
        """Until it has ended by itself; returns its exit code."""
        return self._child.wait(cap_seconds)

    def succeed(self, cap_seconds: float) -> None:
        """Until it has ended by itself, with exit code 0."""
        code = self.wait(cap_seconds)
        assert code == 0, f"{self.name} ended with {code}:\n{self.said()[-3000:]}"

    def stop(self) -> None:
        """Asks it to end (SIGTERM); it does, with exit code 0."""
        self._child.stop()
        assert self.exit_code == 0, f"{self.name} ended with {self.exit_code}:\n{self.said()[-3000:]}"

    def kill(self) -> None:
        """Ends it at once (SIGKILL)."""
        self._child.kill()

    def wait_until_frozen(self, cap_seconds: float = 30.0) -> None:
        """Until it has stopped itself (SIGSTOP)."""

        def frozen() -> bool:
            assert self.exit_code is None, f"{self.name} ended with {self.exit_code}:\n{self.said()[-3000:]}"
            found = os.waitid(os.P_PID, self._child.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
            return found is not None and found.si_code == os.CLD_STOPPED

        wait_until(frozen, cap_seconds, f"{self.name} to freeze")

    def end(self) -> None:
        """Ends it, whatever it is doing; if it can be, in good order, for a killed writer's transaction stays open for
        a minute and would hold up the dropping of its database."""
        if self.exit_code is None:
            self.resume()
            self._child.stop(5)

    def pause(self) -> None:
        """Freezes it (SIGSTOP)."""
        os.kill(self._child.pid, signal.SIGSTOP)
        self.wait_until_frozen()

    def resume(self) -> None:
        """Lets it go on (SIGCONT)."""
        os.kill(self._child.pid, signal.SIGCONT)

    def go_on(self) -> None:
        """Tells a script that waits for it (SIGUSR1)."""
        os.kill(self._child.pid, signal.SIGUSR1)
