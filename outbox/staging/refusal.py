"""Says in few words why the server's validator refused a document: the server's own answer is a tree of 2 kB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pymongo.errors import OperationFailure

_INVALID = 121  # DocumentValidationFailure
_CHARACTERS = 1000
_NO_SUCH_DATA = ("data: bsonType object, not null", "data: bsonType null, not object")


def is_invalid(error: OperationFailure) -> bool:
    """Tells whether a collection's validator refused a document."""
    return error.code == _INVALID or any(refused.get("code") == _INVALID for refused in _write_errors(error))


def reason(error: OperationFailure) -> str:
    """Names each field that was refused, and by which rule. Never the message's values: those may be secrets."""
    details: Any = _write_errors(error)[0] if _write_errors(error) else error.details
    rules = (details or {}).get("errInfo", {}).get("details", {})
    reasons = list(dict.fromkeys(_reasons(rules, "")))
    return ("; ".join(reasons) if reasons else "the server does not say which field")[:_CHARACTERS]


def _write_errors(error: OperationFailure) -> list[dict[str, Any]]:
    details: Any = error.details
    return list((details or {}).get("writeErrors", []))


def _reasons(rule: Mapping[str, Any], path: str) -> Iterator[str]:
    match rule:
        case {"operatorName": "$or", "clausesNotSatisfied": [*clauses]}:
            own = [clause["details"] for clause in clauses if not _is_of_another_type(clause["details"])]
            branches = [list(_reasons(details, path)) for details in own]
            # A compacted type has two, for messages and for tombstones: that the other does not fit says nothing.
            meant = [reasons for reasons in branches if not any(each.startswith(_NO_SUCH_DATA) for each in reasons)]
            for reasons in meant or branches:
                yield from reasons
        case {"clausesNotSatisfied": [*clauses]}:
            for clause in clauses:
                if not _is_of_another_type(clause["details"]):
                    yield from _reasons(clause["details"], path)
        case {"schemaRulesNotSatisfied": [*rules]}:
            for broken in rules:
                yield from _reasons(broken, path)
        case {"propertiesNotSatisfied": [*properties]}:
            for field in properties:
                for detail in field["details"]:
                    yield from _reasons(detail, _joined(path, field["propertyName"]))
        case {"details": [*details]}:  # of an item of a list, or of a field that is not declared by name
            for detail in details:
                yield from _reasons(detail, f"{path}[{rule['itemIndex']}]" if "itemIndex" in rule else path)
        case {"missingProperties": [*names]}:
            yield from (f"{_joined(path, name)}: is missing" for name in names)
        case {"additionalProperties": [*names]}:
            yield from (f"{_joined(path, name)}: is no field of the class" for name in names)
        case {"operatorName": "$expr"}:
            yield "the document: is larger than max_message_bytes, as create() was given it"
        case {"operatorName": str(name)}:
            yield f"{path or 'the document'}: {_rule(name, rule)}"


def _rule(name: str, rule: Mapping[str, Any]) -> str:
    limit = rule.get("specifiedAs", {}).get(name)
    kind = f", not {rule['consideredType']}" if "consideredType" in rule else ""
    return f"{name}{'' if limit is None else f' {limit}'}{kind}"


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _is_of_another_type(rule: Mapping[str, Any]) -> bool:
    """Tells whether this is the branch of another message type: that it does not fit says nothing."""
    return any(
        clause["details"].get("operatorName") == "$eq" and "type" in clause["details"].get("specifiedAs", {})
        for clause in rule.get("clausesNotSatisfied", [])
    )
