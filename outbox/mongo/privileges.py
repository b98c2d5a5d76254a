"""Privileges: what MongoDB must allow the user of a relay, and which of it a user lacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outbox.errors import MissingPrivilege
from outbox.mongo.calls import time_limit
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import PAGE

Privileges = Mapping[str, tuple[str, ...]]
"""Actions by collection: what follows the outbox's name, such as `.staging`; `*` is the database itself."""


def check_privileges(collections: Collections, needed: Privileges) -> None:
    """Raises MissingPrivilege, which names all that the client's user lacks; and pymongo's errors.

    It believes what the server says of the user, so it is quick and changes nothing. Without a user it says nothing:
    access control may be off, and where it is not, the first call will be refused.
    """
    with time_limit():
        status = collections.client.admin.command({"connectionStatus": 1, "showPrivileges": True})
    users = status["authInfo"]["authenticatedUsers"]
    granted = status["authInfo"]["authenticatedUserPrivileges"]
    lacking = [
        f"{', '.join(actions)} on {_place(collections, part)}"
        for part, wanted in needed.items()
        if (actions := [each for each in wanted if not _is_granted(each, collections, part, granted)])
    ]
    if users and lacking:
        raise MissingPrivilege(
            f"the MongoDB user {users[0]['user']!r} has no right to {'; '.join(lacking)}. {PAGE} has a role for each "
            "kind of process: grant it"
        )


def _is_granted(action: str, collections: Collections, part: str, granted: list[dict[str, Any]]) -> bool:
    collection = "" if part == "*" else collections.name + part
    return any(
        action in each["actions"]
        and (
            "anyResource" in each["resource"]
            or (
                each["resource"].get("db") in ("", collections.database.name)
                and each["resource"].get("collection") in ("", collection)
            )
        )
        for each in granted
    )


def _place(collections: Collections, part: str) -> str:
    return f"the database {collections.database.name}" if part == "*" else f"{collections.log.full_name}{part}"
