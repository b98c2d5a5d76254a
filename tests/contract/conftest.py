"""The faces of an outbox, for the suites that all of them pass."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.actors.faces import FACES, Face, face_of


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> Iterator[Face]:
    fixture = request.getfixturevalue
    with face_of(request.param, lambda: fixture("database"), lambda: fixture("mongo_uri")) as face:
        yield face
