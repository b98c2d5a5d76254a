"""Reads settings from the file named by --config, and from the variables RELAY_…."""

from __future__ import annotations

import codecs
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from relay.cli.settings_errors import suggestion
from relay.errors import InvalidSettings

_OTHER_ENCODINGS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
_PREFIX = "RELAY_"
_LAST_PORT = 65535
_TOKEN = re.compile(r"[!-~]{16,500}")
# Kubernetes sets these in every container beside a service called relay, or relay-something; Docker does so in a
# container that is linked to one.
_OF_A_SERVICE = re.compile(
    r"RELAY_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


def read_file(path: Path) -> dict[str, Any]:
    """Reads a TOML file in UTF-8, with or without a byte order mark. Raises InvalidSettings, with the line."""
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a path with a null in it
        raise InvalidSettings(f"--config {path}: {getattr(error, 'strerror', error)}") from error
    for mark, encoding in _OTHER_ENCODINGS.items():
        if content.startswith(mark):
            raise InvalidSettings(f"--config {path}: it is written in {encoding}: save it as UTF-8")
    try:
        # Line ends as in any text file: TOML itself would refuse those of old editors.
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        return tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidSettings(f"--config {path}: line {line} is not UTF-8: save the file as UTF-8") from error
    except ValueError as error:
        raise InvalidSettings(f"--config {path}: {error}") from error


def read_environment(environment: Mapping[str, str], names: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Returns the settings `names` that have a variable, without blanks and line ends around the values; and a line
    for each variable that looks like a setting and is none.

    An empty variable counts as not given.
    """
    values = {name.upper(): value.strip() for name, value in environment.items()}  # as shells write them, and Windows
    ours = {name: value for name, value in values.items() if name.startswith(_PREFIX) and value}
    known = {f"{_PREFIX}{name.upper()}": name for name in names}
    unknown = sorted(name for name in ours.keys() - known.keys() if not _OF_A_SERVICE.fullmatch(name))
    mistakes = [f"{name}: no such setting{_suggestion(name, names)}" for name in unknown]
    return {setting: ours[name] for name, setting in known.items() if name in ours}, mistakes


def _suggestion(variable: str, names: Collection[str]) -> str:
    written = variable.removeprefix(_PREFIX).replace("-", "_")
    return suggestion(written, [name.upper() for name in names], _PREFIX)


def pairs(texts: Iterable[str]) -> dict[str, str]:
    """Reads `["a=b", …]` as a mapping, split at the first `=`. Raises ValueError, which never shows any of it."""
    values = {}
    for number, text in enumerate(texts, start=1):
        key, equals, value = text.partition("=")
        if not equals or not key.strip():  # not even that: it may be the rest of a password with a comma in it
            raise ValueError(f"number {number} is not KEY=VALUE")
        values[key.strip()] = value.strip()
    return values


def split_pairs(text: str) -> dict[str, str]:
    """Reads `a=b,c=d`. Raises as `pairs`."""
    return pairs(part for part in text.split(",") if part.strip())


def from_text(value: object) -> object:
    """Reads a text as `split_pairs`; what the file has as a table stays as it is."""
    return split_pairs(value) if isinstance(value, str) else value


def by_type(value: object) -> object:
    """Reads a table of message types, whose dots TOML takes for tables within tables."""
    return dict(flat(value)) if isinstance(value, Mapping) else value


def listen_at(value: object) -> tuple[str, int]:
    """Reads an address and a port. Raises ValueError."""
    host, colon, port = str(value).rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise ValueError("give an address and a port, such as 127.0.0.1:9464, or 0.0.0.0:9464 for all addresses")
    return host.removeprefix("[").removesuffix("]"), int(port)


def page_token(value: object) -> object:
    """Reads the token of the page. Raises ValueError, which never shows any of it."""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise ValueError(
            "give 16 or more letters, digits and signs of ASCII, without blanks: `openssl rand -hex 24` makes one"
        )
    return value


def registry_settings(value: object) -> object:
    """Reads a schema registry's settings: a table, or its address alone."""
    return {"url": value} if isinstance(value, str) else by_type(value)


def flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yields librdkafka's dotted names: TOML makes nested tables of `linger.ms = 5`, unless the name is quoted."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", str(value).lower() if isinstance(value, bool) else str(value)
