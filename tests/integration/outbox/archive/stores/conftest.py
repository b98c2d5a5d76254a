"""Places of an archive that are servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.s3 import object_store


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    with object_store() as url:
        yield url
