"""Addresses of MongoDB that cannot be used are refused before a connection, and never shown."""

from __future__ import annotations

import sys
import warnings

import pytest

from relay.address import check_address
from relay.connection import connected
from relay.errors import InvalidSettings


@pytest.mark.parametrize("mark", ["/", "?", "#"])
def test_a_password_that_is_not_encoded_is_refused_and_no_part_of_it_shown(mark: str) -> None:
    with pytest.raises(InvalidSettings, match="must be percent-encoded") as refused:
        connected(f"mongodb://ann:123{mark}sekret@127.0.0.1:1/?replicaSet=rs0")

    assert not {"123", "sekret", "ann"} & set(str(refused.value).replace(":", " ").split())


def test_an_at_sign_in_an_option_must_be_encoded_too() -> None:
    with pytest.raises(InvalidSettings, match="must be percent-encoded"):
        connected("mongodb://127.0.0.1:1/?authSource=a@b")


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ("foo=sekret", "foo"),
        ("tls=true&w=1&foo=1", "foo"),
        ("connectTimeoutMS=sekret", "connectTimeoutMS"),
    ],
)
def test_an_option_that_the_driver_would_pass_over_is_refused_by_its_name(options: str, name: str) -> None:
    with pytest.raises(InvalidSettings, match=f"the option {name} cannot be used") as refused:
        connected(f"mongodb://127.0.0.1:1/?{options}")

    assert "sekret" not in str(refused.value)


def test_warnings_that_are_errors_change_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InvalidSettings, match="the option foo"):
            connected("mongodb://127.0.0.1:1/?foo=1")


def test_a_value_that_the_warning_quotes_is_not_shown() -> None:
    with pytest.raises(InvalidSettings) as refused:
        connected("mongodb://127.0.0.1:1/?readPreference=sekret")

    assert "sekret" not in str(refused.value)
    assert "readPreference" in str(refused.value)


def test_of_several_options_only_the_wrong_one_is_blamed() -> None:
    with pytest.raises(InvalidSettings) as refused:
        connected("mongodb://127.0.0.1:1/?replicaSet=rs0&tls=true&retryWritez=true&w=majority")

    assert str(refused.value) == ("--mongo: the option retryWritez cannot be used: its name or its value is wrong")


@pytest.mark.parametrize("options", ["w=1&w=2", "w=1;W=1", "replicaSet=a&tls=true&REPLICASET=a"])
def test_an_option_that_stands_there_twice_is_refused(options: str) -> None:
    with pytest.raises(InvalidSettings, match="(?i)the option (w|replicaSet) stands there twice"):
        connected(f"mongodb://127.0.0.1:1/?{options}")


@pytest.mark.parametrize("name", ["tlsCertificateKeyFilePassword", "authMechanismProperties"])
@pytest.mark.parametrize("rest", ["kret=1", "kret", "kret=a=b"])
def test_what_follows_a_secret_is_not_shown_for_it_may_be_the_rest_of_it(name: str, rest: str) -> None:
    with pytest.raises(InvalidSettings, match=f"the option behind {name} cannot be used.*percent-encoded") as refused:
        connected(f"mongodb://127.0.0.1:1/?{name}=AWS_SESSION_TOKEN:se&{rest}")

    assert "kret" not in str(refused.value)


def test_readpreferencetags_may_be_given_more_than_once() -> None:
    check_address("mongodb://127.0.0.1:1/?readPreferenceTags=dc:ny&readPreferenceTags=")


@pytest.mark.parametrize(
    ("compressors", "lacking"),
    [
        pytest.param(
            *("zstd", "the compressor zstd: pip install 'pymongo[zstd]'"),
            marks=pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python brings it itself"),
        ),
        ("zlib,snappy", "the compressor snappy: pip install 'pymongo[snappy]'"),
        ("lz4,zlib", "one of the compressors, which the driver does not have"),
    ],
)
def test_a_compressor_that_is_not_there_is_done_without(
    compressors: str, lacking: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for package in ("snappy", "zstandard", "backports.zstd", "compression.zstd"):
        monkeypatch.setitem(sys.modules, package, None)

    check_address(f"mongodb://127.0.0.1:1/?replicaSet=rs0&compressors={compressors}")

    assert caplog.messages == [f"--mongo: going on without {lacking}"]
