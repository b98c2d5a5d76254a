"""Says what is wrong with settings: where a value came from and what would be right, and never the value itself."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_EXAMPLES = {
    "create_topic": "write partitions=3,replication=1",
    "header_map": "write id=message-id,seq=",
    "schema_registry": 'write [schema_registry], and below it url = "http://…" and other names of its client',
    "topics": 'write a table [outbox.topics], and below it "order.placed" = "orders"',
    "encodings": 'write a table [outbox.encodings], and below it "order.placed" = "bson"',
}
_PATTERNS = {"name": "give 1 to 64 letters, digits, '.', '_' or '-'"}
_HINTS = {
    "string_type": "give text, in quotes",
    "string_too_short": "it is empty",
    "int_type": "give a whole number",
    "int_parsing": "give a whole number",
    "float_type": "give a number",
    "float_parsing": "give a number",
    "finite_number": "give a number",
    "bool_type": "give true or false",
    "bool_parsing": "give true or false",
}


def suggestion(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Suggests the known name that was probably meant, as the end of a sentence; "" when none is close."""
    closest = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {prefix}{closest[0]}?" if closest else ""


def describe_errors(
    error: ValidationError, source: Callable[[str], str], where: str = "", known: Iterable[str] = ()
) -> Iterator[str]:
    """Yields a line for each mistake.

    source: where the value of a setting came from: "--name", "RELAY_NAME", "name in relay.toml". where: stands before
    the name of a missing setting. known: the names that exist.
    """
    for mistake in error.errors(include_input=False, include_url=False):
        name, *inner = map(str, mistake["loc"])
        if inner:
            yield f"{source(name)}: {_of_part('.'.join(inner), mistake)}: {_EXAMPLES[name]}"
        elif mistake["type"] == "missing":
            yield f"{where}--{name} is missing; or give RELAY_{name.upper()}, or `{name}` in the file"
        elif mistake["type"] == "extra_forbidden":
            yield f"{source(name)}: no such setting{suggestion(name, known)}"
        else:
            yield f"{source(name)}: {_hint(name, mistake)}"


def _of_part(part: str, error: ErrorDetails) -> str:
    if error["type"] == "missing":
        return f"{part} is missing"
    if error["type"] == "extra_forbidden":
        return f"there is no {part}"
    return f"{part} cannot be that ({_hint(part, error)})"


def _hint(name: str, error: ErrorDetails) -> str:
    match error["type"]:
        case "string_pattern_mismatch":
            return _PATTERNS[name]
        case "literal_error":
            return f"give {error['ctx']['expected']}".replace("'", "")
        case "greater_than_equal":
            return f"give {error['ctx']['ge']:g} or more"
        case "less_than_equal":
            return f"give {error['ctx']['le']:g} or less"
        case "model_type" | "model_attributes_type":
            return _EXAMPLES[name]
        case known if known in _HINTS:
            return _HINTS[known]
        case _:
            return error["msg"].removeprefix("Value error, ")
