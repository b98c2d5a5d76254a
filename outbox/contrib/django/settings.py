"""Reads the settings of the outbox in Django's: OUTBOX, OUTBOX_CONSUMERS and OUTBOX_RELAY."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings  # type: ignore[import-untyped]  # Django ships no types
from django.core.exceptions import ImproperlyConfigured  # type: ignore[import-untyped]  # as above
from django.utils.module_loading import import_string  # type: ignore[import-untyped]  # as above

from outbox.contrib.django.outbox import DjangoOutbox


def outboxes() -> list[DjangoOutbox]:
    """Imports what OUTBOX names: the dotted path of a DjangoOutbox, or a list of them. Raises ImproperlyConfigured."""
    named = getattr(settings, "OUTBOX", None)
    if not named:
        raise ImproperlyConfigured('OUTBOX is not set: name your DjangoOutbox, as in OUTBOX = "shop.messages.orders"')
    return [_outbox(path) for path in _paths("OUTBOX", named)]


def consumers() -> dict[str, Callable[[], object]]:
    """Imports what OUTBOX_CONSUMERS lists, by dotted path: functions without arguments that run consumers."""
    named = getattr(settings, "OUTBOX_CONSUMERS", ())
    return {path: _function("OUTBOX_CONSUMERS", path) for path in _paths("OUTBOX_CONSUMERS", named)}


def relay() -> Callable[[], Any] | None:
    """Imports what OUTBOX_RELAY names: a function without arguments that makes a relay; None when it is not set."""
    path = getattr(settings, "OUTBOX_RELAY", None)
    return None if path is None else _function("OUTBOX_RELAY", path)


def _paths(setting: str, named: object) -> list[str]:
    if isinstance(named, str):
        return [named]
    if not isinstance(named, list | tuple):
        raise ImproperlyConfigured(f"{setting}={named!r}: give a dotted path, or a list of them")
    return list(named)


def _outbox(path: str) -> DjangoOutbox:
    found = _imported("OUTBOX", path)
    if not isinstance(found, DjangoOutbox):
        raise ImproperlyConfigured(f"OUTBOX: {path} is of type {type(found).__qualname__}, not a DjangoOutbox")
    return found


def _function(setting: str, path: str) -> Callable[[], Any]:
    found: Any = _imported(setting, path)
    if not callable(found):
        raise ImproperlyConfigured(f"{setting}: {path} is of type {type(found).__qualname__}, not a function")
    function: Callable[[], Any] = found
    return function


def _imported(setting: str, path: object) -> object:
    try:
        found: object = import_string(path)
    except Exception as error:
        raise ImproperlyConfigured(f"{setting}: {path!r} cannot be imported: {error}") from error
    return found
