"""The files that an address of MongoDB names are read before the driver has them, and named when they cannot be."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from relay.address import check_address
from relay.errors import InvalidSettings
from tests.servers.certificates import Certificates

FILES = ["tlsCAFile", "tlsCertificateKeyFile", "tlsCRLFile"]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def refusal(options: str) -> str:
    with pytest.raises(InvalidSettings) as refused:
        check_address(f"mongodb://127.0.0.1:1/?replicaSet=rs0&tls=true&{options}")
    return str(refused.value)


@pytest.mark.parametrize("option", FILES)
def test_a_file_that_is_not_there_is_named(option: str) -> None:
    assert refusal(f"{option}=/no%20ne.pem") == f"--mongo: {option}: /no ne.pem: No such file or directory"


@pytest.mark.parametrize("option", FILES)
def test_a_folder_is_named(option: str, tmp_path: Path) -> None:
    assert refusal(f"{option}={tmp_path}") == f"--mongo: {option}: {tmp_path}: Is a directory"


@pytest.mark.parametrize("option", FILES)
@pytest.mark.parametrize(
    "content",
    [b"", b"not a certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff\x00"],
)
def test_a_file_with_something_else_in_it_is_named(option: str, content: bytes, tmp_path: Path) -> None:
    (path := tmp_path / "ca.pem").write_bytes(content)

    assert refusal(f"{option}={path}").startswith(f"--mongo: {option}: {path}: ")


def test_a_certificate_without_its_key_is_named(certificates: Certificates) -> None:
    assert "private key, both in PEM" in refusal(f"tlsCertificateKeyFile={certificates.ca}")


@pytest.fixture
def encrypted(certificates: Certificates, tmp_path: Path) -> Path:
    command = ["openssl", "pkey", "-in", certificates.client, "-aes256", "-passout", "pass:right one"]
    key = subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout
    (path := tmp_path / "encrypted.pem").write_bytes(
        certificates.client.read_bytes().partition(b"-----BEGIN PRIV")[0] + key
    )
    return path


def test_an_encrypted_key_asks_for_its_password_in_an_error_and_not_on_the_terminal(encrypted: Path) -> None:
    assert refusal(f"tlsCertificateKeyFile={encrypted}").endswith("is encrypted: give tlsCertificateKeyFilePassword")


def test_a_wrong_password_of_a_key_is_told_and_not_shown(encrypted: Path) -> None:
    said = refusal(f"tlsCertificateKeyFile={encrypted}&tlsCertificateKeyFilePassword=sekret")

    assert said.endswith("cannot be read with the password in tlsCertificateKeyFilePassword")
    assert "sekret" not in said


def test_good_files_are_taken(encrypted: Path, certificates: Certificates) -> None:
    check_address(
        f"mongodb://127.0.0.1:1/?tls=true&tlsCAFile={certificates.ca}&tlsCertificateKeyFile={encrypted}"
        "&tlsCertificateKeyFilePassword=right%20one"
    )
