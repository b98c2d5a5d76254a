"""Checks an address of MongoDB before the driver has it: each option alone, each file by reading it.

The driver's own sentences are not read, as they change with its versions. No error shows a part of the address that may
be secret.
"""

from __future__ import annotations

import logging
import re
import ssl
import warnings
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote_plus

from pymongo.errors import ConfigurationError, InvalidURI
from pymongo.uri_parser import split_hosts, split_options

from relay.errors import InvalidSettings

logger = logging.getLogger("relay")

_SCHEMES = ("mongodb", "mongodb+srv")
_SHORTEST = 4  # to blank out shorter parts would garble the sentence
_NAME = re.compile("[A-Za-z_]+")
_KEY, _PASSWORD = "tlscertificatekeyfile", "tlscertificatekeyfilepassword"
_CERTIFICATES = frozenset({"tlscafile", "tlscrlfile"})
_SECRETS = frozenset({_PASSWORD, "authmechanismproperties"})
_PACKAGES = {"snappy": "pymongo[snappy]", "zstd": "pymongo[zstd]"}


class _Option(NamedTuple):
    number: int
    text: str
    """The option as it stands in the address."""
    behind: str
    """The option before it."""

    @property
    def name(self) -> str:
        return self.text.partition("=")[0]

    @property
    def known_as(self) -> str:
        """The name in lower case: case does not count in the names of options."""
        return self.name.lower()

    @property
    def value(self) -> str:
        return unquote_plus(self.text.partition("=")[2])


def check_address(uri: str) -> None:
    """Checks the whole address. Raises InvalidSettings; warns of a compressor that is not installed."""
    # The driver ends user and password at the first `/`, so it would take a part of them for something to show.
    if re.search(r"(?s)[/?#].*@", uri.partition("://")[2]):
        raise InvalidSettings(
            "--mongo: user name and password must be percent-encoded (urllib.parse.quote_plus), "
            "and so must any @ behind the host"
        )
    hosts_of(uri)
    options = list(_options(uri))
    seen: set[str] = set()
    for option in options:
        if option.known_as in seen and option.known_as != "readpreferencetags":
            raise InvalidSettings(f"--mongo: the option {_shown(option)} stands there twice")
        seen.add(option.known_as)
    passwords = [option.value for option in options if option.known_as == _PASSWORD]
    for option in options:
        if option.known_as in _CERTIFICATES or option.known_as == _KEY:
            _check_file(option, passwords[0] if passwords else None)
        _check_option(option)


def hosts_of(uri: str) -> list[str]:
    """Returns the names of the hosts as they stand in the address. Raises InvalidSettings.

    Call it before the options are looked at: what cannot be an address may have a password anywhere.
    """
    scheme, separator, rest = uri.partition("://")
    try:
        if not separator or scheme not in _SCHEMES:
            raise InvalidURI("it must begin with mongodb:// or mongodb+srv://")
        return [host for host, _ in split_hosts(re.split("[/?]", rest.rpartition("@")[2])[0])]
    except (ConfigurationError, ValueError) as error:
        raise InvalidSettings(f"--mongo: {without_values(uri, str(error))}") from None


def tls_context(uri: str) -> ssl.SSLContext | None:
    """Makes the context that the driver checks certificates with; None when it does not. The address was checked."""
    options = {option.known_as: option.value for option in _options(uri)}
    wanted = options.get("tls", options.get("ssl", str(uri.startswith("mongodb+srv:"))))
    unchecked = ("tlsinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames")
    if wanted.lower() != "true" or any(options.get(name, "").lower() == "true" for name in unchecked):
        return None
    context = ssl.create_default_context(cafile=options.get("tlscafile"))
    if _KEY in options:
        context.load_cert_chain(options[_KEY], None, options.get(_PASSWORD))
    return context


def without_values(uri: str, sentence: str) -> str:
    """Removes from the driver's sentence what it quotes of the address: in a broken one, all may be secret."""
    parts = {part for text in (uri, unquote_plus(uri)) for part in re.split(r"[:/@?&=,;\s]+", text)}
    for part in sorted(parts - set(_SCHEMES), key=len, reverse=True):
        if len(part) >= _SHORTEST:
            sentence = sentence.replace(part, "…")
    return sentence


def _options(uri: str) -> Iterator[_Option]:
    behind = ""
    for number, text in enumerate(filter(None, re.split("[&;]", uri.partition("?")[2])), start=1):
        option = _Option(number, text, behind)
        yield option
        behind = option.name


def _shown(option: _Option) -> str:
    """The option's name, or only where it stands if it may be the rest of a secret with a ? or an & in it."""
    if option.behind.lower() in _SECRETS:
        return f"behind {option.behind}"
    return option.name if _NAME.fullmatch(option.name) else f"number {option.number}"


def _check_option(option: _Option) -> None:
    try:
        with warnings.catch_warnings(record=True):  # the driver would go on without; what it warns of is said below
            warnings.simplefilter("always")
            parsed = split_options(option.text)
    except (ConfigurationError, ValueError, TypeError, KeyError):
        hint = "; an & or ; within a value must be percent-encoded" if option.behind.lower() in _SECRETS else ""
        raise InvalidSettings(
            f"--mongo: the option {_shown(option)} cannot be used: its name or its value is wrong{hint}"
        ) from None
    if option.known_as == "compressors":
        _warn_of_compressors(set(option.value.split(",")) - set(parsed["compressors"]))


def _warn_of_compressors(missing: set[str]) -> None:
    for name in sorted(missing):
        if name in _PACKAGES:
            logger.warning("--mongo: going on without the compressor %s: pip install '%s'", name, _PACKAGES[name])
        else:
            logger.warning("--mongo: going on without one of the compressors, which the driver does not have")


def _check_file(option: _Option, password: str | None) -> None:
    """Reads a file, and names it and the option if that fails: the driver names neither."""
    path = option.value
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # the path as the driver will take it
            file.read(1)
    except (OSError, ValueError) as error:  # ValueError: a path with a null in it
        raise InvalidSettings(f"--mongo: {option.name}: {path}: {getattr(error, 'strerror', error)}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if option.known_as == _KEY:
        _check_key(context, option, password)
        return
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        what = "certificate" if option.known_as == "tlscafile" else "revocation list"
        raise InvalidSettings(f"--mongo: {option.name}: {path}: no {what} in PEM is in it, or a broken one") from None


def _check_key(context: ssl.SSLContext, option: _Option, password: str | None) -> None:
    asked = False

    def answer() -> str:  # else OpenSSL would ask on the terminal
        nonlocal asked
        asked = True
        return password or ""

    try:
        context.load_cert_chain(option.value, None, answer)
    except (ssl.SSLError, ValueError):  # ValueError: a password that is too long
        if not asked:
            why = "it must have a certificate and its private key, both in PEM, and one of them is missing or broken"
        elif password is None:
            why = "its key is encrypted: give tlsCertificateKeyFilePassword"
        else:
            why = "its key cannot be read with the password in tlsCertificateKeyFilePassword"
        raise InvalidSettings(f"--mongo: {option.name}: {option.value}: {why}") from None
