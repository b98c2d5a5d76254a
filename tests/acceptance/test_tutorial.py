"""Does what the tutorial says, word by word: it pastes, types, and compares what is printed."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path
from typing import Self

from tests.acceptance.pages import TUTORIAL, Prompt, clone, prints, start_shell

STEP = re.compile(
    r"^```python\n(?P<code>.*?)^```\n|(?<=\n\n)(?P<typed>(?: {4}[^\n]*\n)+)|(?P<text>[^\n]*\n)",
    re.MULTILINE | re.DOTALL,
)
SERVERS = "export RELAY_"
CTRL_C = "In the second terminal, press Ctrl-C"
DONE_BEFORE = ["python3 -m venv .venv && .venv/bin/pip install -c constraints.txt '.[all]'", ".venv/bin/python"]


class SecondTerminal:
    """A shell in the clone's folder, in which one command runs at a time."""

    def __init__(self, folder: Path) -> None:
        self.pasted = ""
        self._folder = folder
        self._running: subprocess.Popen[str] | None = None

    def type(self, command: str) -> None:
        self._running = start_shell(f"{self.pasted}\nexec {command}", self._folder)

    def interrupt(self) -> None:
        assert self._running is not None
        self._running.send_signal(signal.SIGINT)

    def end(self) -> str:
        """What the command printed; it must have ended well."""
        assert self._running is not None
        printed = self._running.communicate(timeout=60)[0]
        assert self._running.returncode == 0, printed
        return printed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._running is not None and self._running.poll() is None:
            self._running.kill()
            self._running.communicate()


def steps() -> list[tuple[str, str, str]]:
    """What is pasted or typed, each with what the page says after it: `code` or `typed`, the lines, the text."""
    found: list[tuple[str, str, str]] = []
    for step in STEP.finditer(TUTORIAL.read_text(encoding="utf-8")):
        kind = step.lastgroup or ""
        if kind != "text":
            found.append((kind, step[kind], ""))
        elif found:
            found[-1] = (*found[-1][:2], found[-1][2] + step["text"])
    return found


def test_the_tutorial_can_be_followed_word_by_word(tmp_path: Path) -> None:
    done = [lines.strip() for kind, lines, _ in steps() if kind == "typed"][: len(DONE_BEFORE)]
    assert done == DONE_BEFORE
    printed = 0
    with Prompt(tmp_path) as first, SecondTerminal(clone(tmp_path)) as second:
        for kind, lines, text in steps()[len(DONE_BEFORE) :]:
            if kind == "code":
                first.paste(lines, prints(text))
                printed += len(prints(text))
                if SERVERS in lines:
                    second.pasted = first.printed(SERVERS)
            else:
                second.type(lines.strip())
                if "run" not in lines:
                    assert "head" in second.end()
            if CTRL_C in " ".join(text.split()):
                second.interrupt()
                second.end()
        assert first.end() == ""
    assert printed >= 10
