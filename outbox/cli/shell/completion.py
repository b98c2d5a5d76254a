"""What a shell is told when somebody presses the tab key: applications, and the words that an option knows."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator
from pathlib import Path

CLASSES = {"Outbox", "DjangoOutbox"}
_DEPTH = 4
_MOST_FILES = 1_000
_PASSED_OVER = {"node_modules", "site-packages", "venv"}
_typed = ""
"""What bash has taken off the word that is being completed, see `join_words`."""


def one_of(*words: str) -> Callable[[str], list[str]]:
    """Makes what completes an option that knows these words."""

    def matching(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return matching


def applications(incomplete: str) -> list[str]:
    """Completes APP by what the sources in this folder say; none of them is imported, for that may do anything."""
    folder, wanted = Path.cwd(), _typed + incomplete
    found = (app for module, file in _modules(folder, wanted) for app in _declared(module, file))
    return sorted(app.removeprefix(_typed) for app in found if app.startswith(wanted))


def _modules(folder: Path, wanted: str) -> Iterator[tuple[str, Path]]:
    """Yields the modules whose name may be meant, and their files; not too many, for somebody waits."""
    module = wanted.partition(":")[0]
    for count, file in enumerate(_sources(folder, _DEPTH)):
        if count == _MOST_FILES:
            return
        parts = file.relative_to(folder).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name.startswith(module) if ":" not in wanted else name == module:
            yield name, file


def _sources(folder: Path, depth: int) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:  # that of another user
        return
    for entry in entries:
        if not entry.stem.isidentifier() or entry.name in _PASSED_OVER:
            continue
        if entry.suffix == ".py":
            yield entry
        elif depth and not entry.suffix and entry.is_dir() and not (entry / "pyvenv.cfg").exists():
            yield from _sources(entry, depth - 1)


def _declared(module: str, file: Path) -> Iterator[str]:
    """Yields the applications of a module: what is made an Outbox, and what says that it returns one."""
    try:
        source = file.read_text(encoding="utf-8")
        body = ast.parse(source).body if "Outbox" in source else []
    except (OSError, SyntaxError, ValueError):  # being edited, perhaps
        return
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=made)) if _is_outbox(made):
                yield f"{module}:{name}"
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind) if _is_outbox(kind):
                yield f"{module}:{name}"
            case ast.FunctionDef(name=name, returns=kind, args=ast.arguments(args=[])) if _is_outbox(kind):
                yield f"{module}:{name}"


def _is_outbox(named: ast.expr | None) -> bool:
    match named:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Constant(value=str(name)):
            return name in CLASSES
        case _:
            return False


def join_words() -> None:
    """Undoes what bash does to APP: it takes a colon for a word of its own.

    Call it before the command line is looked at. Of the word that is being completed bash replaces what stands behind
    the last colon.
    """
    global _typed  # noqa: PLW0603  # a process completes one word
    words, index = os.environ.get("COMP_WORDS", "").split("\n"), os.environ.get("COMP_CWORD", "")
    if not index.isdecimal():
        return
    whole, current = joined(words[: int(index) + 1], int(index))
    _typed, colon, last = current.rpartition(":")
    _typed += colon
    os.environ |= {"COMP_WORDS": "\n".join([*whole, last]), "COMP_CWORD": str(len(whole))}


def joined(words: list[str], index: int) -> tuple[list[str], str]:
    """Returns the words before the one with this index, and that one, with what colons have parted joined again."""
    parts = [*words, ""][: index + 1]
    whole: list[str] = []
    for number, word in enumerate(parts):
        is_colon = set(word) == {":"}
        if whole and number > 1 and (is_colon or (set(parts[number - 1]) == {":"} and word)):
            whole[-1] += word
        else:
            whole.append(word)
    return whole[:-1], whole[-1]
