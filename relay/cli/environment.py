"""The variables RELAY_…: what is empty counts as not given, and what is none of ours is a mistake."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from relay.cli.settings_errors import meant
from relay.errors import InvalidSettings

_PREFIX = "RELAY_"
# Kubernetes gives these to every container beside a service that is called relay, or relay-something; so does Docker
# to a container that is linked to one.
_OF_A_SERVICE = re.compile(
    r"RELAY_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


def given(environment: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """What the environment says of the settings `names`, without blanks and line ends around it.

    Raises InvalidSettings for variables that look like settings and are none.
    """
    found = {name.upper(): value.strip() for name, value in environment.items()}  # as shells write them, and Windows
    ours = {name: value for name, value in found.items() if name.startswith(_PREFIX) and value}
    known = {f"{_PREFIX}{name.upper()}": name for name in names}
    unknown = sorted(name for name in ours.keys() - known.keys() if not _OF_A_SERVICE.fullmatch(name))
    if unknown:
        raise InvalidSettings("\n".join(f"{name}: no such setting{_meant(name, names)}" for name in unknown))
    return {setting: ours[name] for name, setting in known.items() if name in ours}


def _meant(name: str, names: Collection[str]) -> str:
    return meant(name.removeprefix(_PREFIX).replace("-", "_"), [each.upper() for each in names], _PREFIX)
