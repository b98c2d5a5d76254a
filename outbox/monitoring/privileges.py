"""Checks the privileges of a MongoDB user, and names those that it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outbox.errors import MissingPrivilege
from outbox.mongo.calls import time_limit
from outbox.mongo.collections import Collections
from outbox.mongo.server_errors import PAGE

Privileges = Mapping[str, tuple[str, ...]]
"""Actions by collection: the part behind the outbox's name, such as `.staging`; `*` is the database itself."""


def check_privileges(collections: Collections, needed: Privileges) -> None:
    """Checks that the client's user has all these privileges. Raises MissingPrivilege, and pymongo's errors.

    It asks the server for the user's privileges, and changes nothing. Without a user it checks nothing: access control
    may be off, and if it is on, the first call is refused.
    """
    with time_limit():
        status = collections.client.admin.command({"connectionStatus": 1, "showPrivileges": True})
    users = status["authInfo"]["authenticatedUsers"]
    granted = status["authInfo"]["authenticatedUserPrivileges"]
    lacking = [
        f"{', '.join(actions)} on {_place(collections, part)}"
        for part, wanted in needed.items()
        if (actions := [action for action in wanted if not _is_granted(action, collections, part, granted)])
    ]
    if users and lacking:
        raise MissingPrivilege(
            f"the MongoDB user {users[0]['user']!r} has no right to {'; '.join(lacking)}. {PAGE} has a role for each "
            "kind of process: grant it"
        )


def _is_granted(action: str, collections: Collections, part: str, granted: list[dict[str, Any]]) -> bool:
    collection = "" if part == "*" else collections.name + part
    return any(
        action in privilege["actions"]
        and (
            "anyResource" in privilege["resource"]
            or (
                privilege["resource"].get("db") in ("", collections.database.name)
                and privilege["resource"].get("collection") in ("", collection)
            )
        )
        for privilege in granted
    )


def _place(collections: Collections, part: str) -> str:
    return f"the database {collections.database.name}" if part == "*" else f"{collections.log.full_name}{part}"
