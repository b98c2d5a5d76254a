"""Addresses of MongoDB that cannot be used are refused before a connection, and never shown."""

from __future__ import annotations

import warnings

import pytest

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


def test_a_certificate_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidSettings, match=r"/none\.pem: No such file"):
        connected("mongodb://127.0.0.1:1/?tls=true&tlsCertificateKeyFile=/none.pem")
