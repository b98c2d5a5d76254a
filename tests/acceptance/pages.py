"""What the pages show to be typed: Python for a prompt, and commands for a shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.acceptance.example import EXAMPLES, PACKAGES
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
TUTORIAL = ROOT / "docs" / "tutorial.md"
INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n)+")
FENCED = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n(.*?)(?=^```|\Z)", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"(?:\$ )?(?:\w+=\S+ )*(?:\.venv/bin/)?((?:outbox|relay) .*)")
PRINTS = re.compile(r"prints\s+(`[^`]+`(?:(?:,|,?\s+and)\s+`[^`]+`)*)")
ALONE = {**os.environ, "PYTHONPATH": PACKAGES, "PYTHONUNBUFFERED": "1"}


def start_shell(script: str, folder: Path) -> subprocess.Popen[str]:
    """Types a script into a shell there; what it prints can be read."""
    return subprocess.Popen(
        ["bash", "-ec", script], cwd=folder, env=ALONE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )


def blocks(page: Path, language: str) -> list[tuple[str, list[str]]]:
    """The code blocks of a page, each with what the text up to the next block says it prints."""
    found = BLOCK.findall(page.read_text())
    return [(code, prints(text)) for tongue, code, text in found if tongue == language]


def prints(text: str) -> list[str]:
    """What a text says that is printed: It prints `this`, `that` and `more`."""
    return [line for several in PRINTS.findall(text) for line in re.findall("`([^`]+)`", several)]


def commands(page: Path) -> list[str]:
    """What a page shows to be typed into a shell, line by line; a line that ends in a backslash goes on."""
    text = "".join(INDENTED.findall(page.read_text())).replace("\\\n", "")
    lines = [re.sub(" +", " ", line.strip()) for line in text.splitlines()]
    return [line for line in lines if re.match(r"(\w+=\S+ )*(\.venv/bin/\w+|python3|cd|npm) ", line)]


def shell_lines(page: Path) -> list[str]:
    """The commands `outbox` and `relay` that a page shows to be typed, without what stands around them."""
    text = page.read_text(encoding="utf-8")
    shown = [code for language, code, _ in BLOCK.findall(text) if language in {"sh", "console"}]
    found = []
    for code in [*INDENTED.findall(text), *shown]:
        for line in re.sub(r" *\\\n", " ", code).splitlines():
            for part in re.split(r" [|<>] | && ", re.sub(r"(^|\s)# .*", "", line)):
                command = SHELL.match(part.strip())
                if command is not None:
                    found.append(re.sub(r"\s+", " ", re.sub(r"[][]", "", command[1])).strip())
    return found


def clone(folder: Path) -> Path:
    """A folder in which the pages' commands find what they find in a clone, with the packages under test installed."""
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "examples").symlink_to(EXAMPLES)
    return folder


class Prompt:
    """A Python prompt of its own process, into which somebody pastes. Ends with the `with`."""

    def __init__(self, folder: Path) -> None:
        self._output, self._prompts = folder / "output", folder / "prompts"
        with self._output.open("w") as output, self._prompts.open("w") as prompts:
            self._python = subprocess.Popen(
                [sys.executable, "-i", "-q"], env=ALONE, stdin=subprocess.PIPE, stdout=output, stderr=prompts, text=True
            )

    def paste(self, code: str, prints: list[str]) -> None:
        """Pastes a block, presses Return, and waits until it has printed all that it should."""
        assert self._python.stdin is not None
        self._python.stdin.write(code + "\n")
        self._python.stdin.flush()
        wait_until(lambda: set(prints) <= set(self.lines()) or self._complained(), 60, f"{prints} to be printed")
        assert not self._complained(), self._prompts.read_text()

    def printed(self, beginning: str) -> str:
        """The line that begins so, once it is there."""
        wait_until(lambda: any(line.startswith(beginning) for line in self.lines()), 60, f"{beginning} to be printed")
        return next(line for line in self.lines() if line.startswith(beginning))

    def lines(self) -> list[str]:
        return self._output.read_text().splitlines()

    def end(self) -> str:
        """Leaves the prompt as Ctrl-D does; what it had to say besides its output."""
        self._python.communicate(timeout=60)
        assert self._python.returncode == 0
        return self._prompts.read_text().replace(">>> ", "").replace("... ", "").strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._python.kill()
        self._python.communicate()

    def _complained(self) -> bool:
        return "Error" in self._prompts.read_text() or self._python.poll() is not None
