"""What is installed: of C its compiled form alone, and all that is no Python and is needed."""

from __future__ import annotations

import importlib.metadata
from pathlib import PurePath

import pytest

INSTALLED = importlib.metadata.distribution("mongo-outbox")
# Only a wheel leaves a RECORD; beside the sources there may be an egg-info, which lists them.
FILES = [PurePath(str(each)) for each in INSTALLED.files or ()] if INSTALLED.read_text("RECORD") else []


@pytest.mark.skipif(not any(each.parts[0] == "outbox" for each in FILES), reason="installed to be edited: no wheel")
def test_the_wheel_has_no_sources_in_c_and_all_else_that_packages_need() -> None:
    assert [str(each) for each in FILES if each.suffix in {".c", ".h"}] == []
    assert {"outbox/py.typed", "relay/py.typed", "relay/monitoring/page/templates/page.html"} <= set(map(str, FILES))
