"""The faces of an outbox, for the suites that all of them pass; its gateway's clients pass what HTTP gives as well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.actors.faces import FACES, Face, face_of
from tests.actors.remote_faces import REMOTE, remote_face_of


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a suite's test on every face; with the mark `by_http` on those that a gateway is between, too."""
    if "face" in metafunc.fixturenames and "face" not in vars(metafunc.module):
        remote = REMOTE if metafunc.definition.get_closest_marker("by_http") else ()
        metafunc.parametrize("face", [*FACES, *remote], indirect=True)


@pytest.fixture
def face(request: pytest.FixtureRequest) -> Iterator[Face]:
    fixture = request.getfixturevalue
    if request.param in REMOTE:
        with remote_face_of(request.param, fixture("database")) as remote:
            yield remote
        return
    with face_of(request.param, lambda: fixture("database"), lambda: fixture("mongo_uri")) as face:
        yield face
