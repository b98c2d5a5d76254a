"""The MongoDB roles of docs/security.md, as they stand there, to be given to users of the tests."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from pymongo import MongoClient
from pymongo.database import Database

Document = dict[str, Any]

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
ROLES: dict[str, Document] = {
    role["role"]: role
    for role in map(json.loads, re.findall(r"(?s)^db\.createRole\((\{.*?^\})\)", PAGE.read_text(), re.MULTILINE))
}
"""By name, each `createRole` of the page, for the database `shop`."""


class Privilege(NamedTuple):
    """One action that a role allows on one collection; `` is the database itself."""

    role: str
    collection: str
    action: str

    def __str__(self) -> str:
        return f"{self.role}-{self.action}-on-{self.collection or 'database'}"


def privileges() -> list[Privilege]:
    """All that the roles allow by themselves, without what they have from other roles."""
    return [
        Privilege(name, each["resource"]["collection"], action)
        for name, role in ROLES.items()
        for each in role["privileges"]
        for action in each["actions"]
    ]


def grant(root: MongoClient[Document], database: Database[Any], user: str, role: str, without: Any = None) -> None:
    """Makes `user`, whose password is its name, with the role `role` in `database`; `without` one Privilege."""
    database = root[database.name]
    _create(database, role, without)
    database.command("createUser", user, pwd=user, roles=[role])


def _create(database: Database[Document], name: str, without: Privilege | None) -> None:
    role = ROLES[name]
    for other in role["roles"]:
        _create(database, other, without)
    if not database.command("rolesInfo", name)["roles"]:
        allowed = [
            {
                "resource": {**each["resource"], "db": database.name},
                "actions": [
                    action for action in each["actions"]
                    if (name, each["resource"]["collection"], action) != without
                ],
            }
            for each in role["privileges"]
        ]  # fmt: skip
        database.command(
            "createRole", name, privileges=[each for each in allowed if each["actions"]], roles=role["roles"]
        )
