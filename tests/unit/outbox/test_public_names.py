"""The names of the two packages, each loaded when it is first used."""

from __future__ import annotations

from types import ModuleType

import pytest

import outbox
import relay

PACKAGES = pytest.mark.parametrize("package", [outbox, relay], ids=["outbox", "relay"])


@PACKAGES
def test_every_public_name_can_be_used_and_is_listed(package: ModuleType) -> None:
    assert [name for name in package.__all__ if not hasattr(package, name)] == []
    assert set(package.__all__) <= set(dir(package))


@PACKAGES
def test_a_name_that_does_not_exist_is_refused_as_python_does(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'Outbux'"):
        _ = package.Outbux
