"""Says what deploying message classes would change: what create() does, and who could not read what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from outbox.errors import IncompatibleOutbox
from outbox.messages.compatibility import differences
from outbox.messages.message_types import MessageTypes
from outbox.messages.versions import TypeVersion, missing_upcasts
from outbox.mongo.collections import Collections
from outbox.staging.validator import compactions_of, merge, merge_compactions, schemas_of

Schema = dict[str, Any]


@dataclass(frozen=True)
class TypeChange:
    """What deploying one message class would change."""

    type: str
    version: int
    change: str
    """`new`, `same`, `wider`, `narrower`, `breaking`, or `new version`."""
    refused_by_deployed: list[str]
    """What this class may put and the deployed schema refuses, as `path: why`."""
    refused_by_declared: list[str]
    """What may have been put already, and this class refuses."""
    problems: list[str]
    """Why it should not be deployed like this; empty when it may."""


def changes(collections: Collections, types: MessageTypes) -> list[TypeChange]:
    """Compares message classes with what is deployed. Raises pymongo's errors."""
    validator = (collections.options(collections.staging.name) or {}).get("validator", {})
    live, compactions = schemas_of(validator), compactions_of(validator)
    found = []
    for each, schema in types.versioned_schemas().items():
        declared = {name: id for name, id in types.compactions.items() if name == each.type}
        refusals = [
            *_refusals(partial(merge, live, {each: schema})),
            *_refusals(partial(merge_compactions, compactions, declared)),
        ]
        found.append(_change(each, schema, live, refusals))
    return found


def _refusals(merged: Callable[[], object]) -> Iterator[str]:
    try:
        merged()
    except IncompatibleOutbox as error:
        yield f"create() would refuse it: {error}"


def _change(each: TypeVersion, schema: Schema, live: Mapping[TypeVersion, Schema], refusals: list[str]) -> TypeChange:
    deployed = sorted(other.version for other in live if other.type == each.type)
    if not deployed:
        return TypeChange(each.type, each.version, "new", [], [], refusals)
    compared = live.get(each, live[TypeVersion(each.type, deployed[-1])])
    by_deployed, by_declared = differences(compared, schema), differences(schema, compared)
    unreadable = [
        f"there is no @upcast({each.type!r}, {version}): messages of that version, which the log may still hold, could "
        "not be read"
        for version in missing_upcasts(each.type, deployed[0], each.version)
    ]
    if each not in live:
        change = "new version"
    elif by_deployed and by_declared:
        change = "breaking"
    else:
        change = "wider" if by_deployed else "narrower" if by_declared else "same"
    return TypeChange(each.type, each.version, change, by_deployed, by_declared, [*unreadable, *refusals])
