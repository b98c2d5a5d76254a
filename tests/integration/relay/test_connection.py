"""What will not pass by waiting is a wrong setting (2); what may is not (3)."""

from __future__ import annotations

import sys

import pytest

from relay.connection import connected
from relay.errors import InvalidSettings, Unreachable

pytestmark = pytest.mark.usefixtures("quick")


def refusal(uri: str) -> str:
    with pytest.raises(InvalidSettings) as refused:
        connected(uri)
    return str(refused.value)


@pytest.mark.parametrize("uri", ["mongodb://no-such.invalid/", "mongodb://127.0.0.1:1/"])
def test_a_host_that_is_away_may_come_back(uri: str) -> None:
    with pytest.raises(Unreachable, match="MongoDB did not answer"):
        connected(uri)


@pytest.mark.parametrize(("mechanism", "package"), [("MONGODB-AWS", "pymongo[aws]"), ("GSSAPI", "pymongo[gssapi]")])
def test_a_mechanism_without_its_package_names_it(
    mongo_uri: str, monkeypatch: pytest.MonkeyPatch, mechanism: str, package: str
) -> None:
    for module in ("pymongo_auth_aws", "kerberos", "winkerberos"):
        monkeypatch.setitem(sys.modules, module, None)
    uri = mongo_uri.replace("mongodb://", "mongodb://ann:sekret@") + f"&authSource=$external&authMechanism={mechanism}"

    said = refusal(uri)

    assert said.endswith(f"pip install '{package}'")
    assert "sekret" not in said


def test_a_mechanism_that_lacks_a_setting_is_a_wrong_setting(mongo_uri: str) -> None:
    assert "requires providing either a callback" in refusal(f"{mongo_uri}&authMechanism=MONGODB-OIDC")
