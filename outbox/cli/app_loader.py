"""Loads the Outbox that APP on the command line names, as `module:attribute`; web servers have the same form."""

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
    """Loads the Outbox that APP names, and looks for its module in `folder` first.

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
            f"{app}: the module {name!r} has no {attribute!r}"
            f"{_suggestion(attribute, _outboxes(module) or vars(module))}"
        )
    value = getattr(module, attribute)
    if callable(value) and not isinstance(value, Outbox):
        value = _call(app, value)
    if not isinstance(value, Outbox):
        raise InvalidApplication(
            f"{app} is {_described(value)}, not an Outbox nor a function without arguments that returns one"
        )
    return value


def _import(app: str, name: str, folder: Path) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Only if the named module is missing, or a package around it: the module may also import one that is missing.
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise InvalidApplication(f"{app}: importing {name!r} failed: {_with_place(error)}") from error
        known = [module.name for module in pkgutil.iter_modules([str(folder)])]
        raise InvalidApplication(
            f"{app}: there is no module {error.name!r} in {folder} or among the installed packages"
            f"{_suggestion(error.name, known)}"
        ) from error
    except (Exception, SystemExit) as error:  # the user's module may raise anything
        raise InvalidApplication(f"{app}: importing {name!r} failed: {_with_place(error)}") from error


def _call(app: str, factory: Any) -> Any:
    try:
        return factory()
    except (Exception, SystemExit) as error:  # as above
        raise InvalidApplication(f"{app}: calling it without arguments failed: {_with_place(error)}") from error


def _with_place(error: BaseException) -> str:
    """Says the error and its place in the user's code: a whole traceback would mostly show ours."""
    what = "".join(traceback.format_exception_only(error)).strip()
    frames = traceback.extract_tb(error.__traceback__)
    own = str(Path(__file__).parent)
    theirs = [frame for frame in frames if not frame.filename.startswith((own, "<frozen"))]
    theirs = [frame for frame in theirs if "importlib" not in Path(frame.filename).parts]
    return f"{what} ({theirs[-1].filename}, line {theirs[-1].lineno})" if theirs else what


def _outboxes(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if isinstance(value, Outbox)]


def _suggestion(name: str, known: Iterable[str]) -> str:
    public = sorted(other for other in known if not other.startswith("_"))
    close = difflib.get_close_matches(name, public, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _described(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__qualname__}"
    return f"of type {type(value).__qualname__}"
