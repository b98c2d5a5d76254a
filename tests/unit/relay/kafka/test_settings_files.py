"""The files that Kafka's settings name are named when they cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.errors import InvalidSettings
from relay.kafka.settings import check_files

NAMES = ["ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.keystore.location", "ssl.crl.location"]


def refusal(name: str, path: Path) -> str:
    with pytest.raises(InvalidSettings) as refused:
        check_files({"linger.ms": "5", name: str(path)})
    return str(refused.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_not_there_or_empty_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()

    assert refusal(name, tmp_path / "none.pem").endswith(f"{name!r}: {tmp_path}/none.pem: No such file or directory")
    assert refusal(name, tmp_path / "empty.pem").endswith(f"{name!r}: {tmp_path}/empty.pem: the file is empty")


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_folder_is_no_file(name: str, tmp_path: Path) -> None:
    assert refusal(name, tmp_path).endswith("Is a directory")


def test_authorities_may_be_in_a_folder_or_be_looked_for(tmp_path: Path) -> None:
    check_files({"ssl.ca.location": str(tmp_path)})
    check_files({"ssl.ca.location": "probe", "ssl.certificate.location": ""})
