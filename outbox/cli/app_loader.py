"""APP on the command line: `module:attribute`, as web servers have it, and the Outbox it names."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from outbox.errors import OutboxError
from outbox.outbox import Outbox


class InvalidApplication(OutboxError):
    """APP names no Outbox; the message says which part of it is wrong."""


def load(app: str, folder: Path) -> Outbox:
    """The Outbox that APP names, its module looked for in `folder` first.

    The attribute may be an Outbox, or be callable without arguments and return one. Raises InvalidApplication.
    """
    name, colon, attribute = app.partition(":")
    if not colon or not attribute.isidentifier() or not all(part.isidentifier() for part in name.split(".")):
        raise InvalidApplication(
            f"{app!r} is not `module:attribute`: name the module that has your Outbox and what it is called there, "
            "such as `shop.messages:orders`"
        )
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    module = _import(app, name, folder)
    if not hasattr(module, attribute):
        raise InvalidApplication(
            f"{app}: the module {name!r} has no {attribute!r}{_near(attribute, _outboxes(module) or vars(module))}"
        )
    found = getattr(module, attribute)
    if callable(found) and not isinstance(found, Outbox):
        found = _call(app, found)
    if not isinstance(found, Outbox):
        raise InvalidApplication(
            f"{app} is {_described(found)}, not an Outbox nor a function without arguments that returns one"
        )
    return found


def _import(app: str, name: str, folder: Path) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Only when it is the named one that is missing, or a package it lies in; a module may also miss one it imports.
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise InvalidApplication(f"{app}: importing {name!r} failed: {_told(error)}") from error
        known = [each.name for each in pkgutil.iter_modules([str(folder)])]
        raise InvalidApplication(
            f"{app}: there is no module {error.name!r} in {folder} or among the installed packages"
            f"{_near(error.name, known)}"
        ) from error
    except (Exception, SystemExit) as error:  # a module of somebody else's may raise anything
        raise InvalidApplication(f"{app}: importing {name!r} failed: {_told(error)}") from error


def _call(app: str, factory: Any) -> Any:
    try:
        return factory()
    except (Exception, SystemExit) as error:  # as above
        raise InvalidApplication(f"{app}: calling it without arguments failed: {_told(error)}") from error


def _told(error: BaseException) -> str:
    """The error and where in the user's code it came from: a whole traceback would mostly show ours."""
    what = "".join(traceback.format_exception_only(error)).strip()
    frames = traceback.extract_tb(error.__traceback__)
    own = str(Path(__file__).parent)
    theirs = [each for each in frames if not each.filename.startswith((own, "<frozen"))]
    theirs = [each for each in theirs if "importlib" not in Path(each.filename).parts]
    return f"{what} ({theirs[-1].filename}, line {theirs[-1].lineno})" if theirs else what


def _outboxes(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if isinstance(value, Outbox)]


def _near(name: str, known: Iterable[str]) -> str:
    names = sorted(each for each in known if not each.startswith("_"))
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _described(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__qualname__}"
    return f"of type {type(value).__qualname__}"
