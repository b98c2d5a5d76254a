"""A token: its name, what it may do, and the hash of its secret."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from outbox.errors import InvalidArgument
from outbox.gateway.scope import Scope
from outbox.messages.declaration import TYPE_NAME

NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
"""No dot is in it: `NAME.SECRET` and `consumer:NAME.COMPONENT` can be read in one way only."""
RIGHTS = ("read", "post", "admin")
_COMPONENT = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SECRET_BYTES = 32
"""256 bits of chance: nobody can try them, so a hash that is slow would protect nothing more."""


def digest(secret: str) -> str:
    """Returns what is stored of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True)
class Token:
    """A token, without its secret."""

    name: str
    digest: str
    scope: Scope
    created: str
    """As text, in UTC."""
    used: str | None = None
    """When it was used last, to the minute; None for never."""

    def is_secret(self, secret: str) -> bool:
        """Tells whether this is the token's secret. It takes as long for one as for another."""
        return hmac.compare_digest(self.digest, digest(secret))

    def as_document(self) -> dict[str, Any]:
        """Makes what is stored of it, beside its name."""
        scope = self.scope
        return {
            "digest": self.digest,
            "scope": [right for right in RIGHTS if right in scope.rights],
            "types": None if scope.types is None else sorted(scope.types),
            "components": None if scope.components is None else sorted(scope.components),
            "key_prefix": scope.key_prefix,
            "headers": dict(scope.headers),
            "created": self.created,
            "used": self.used,
        }


def checked_name(name: object) -> str:
    """Returns the name of a token. Raises InvalidArgument."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InvalidArgument(f"{name!r:.100} is no token's name: 1 to 63 of A-Z, a-z, 0-9, '_' and '-'")
    return name


def new_token(name: str, scope: Scope, created: str) -> tuple[Token, str]:
    """Makes a token, and the text that its owner sends: nothing can tell it again. Raises InvalidArgument."""
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    return Token(checked_name(name), digest(secret), scope, created), f"{name}.{secret}"


def rotated(token: Token, created: str) -> tuple[Token, str]:
    """Makes the same token with another secret, and the new text."""
    made, text = new_token(token.name, token.scope, created)
    return replace(made, used=token.used), text


def parse(name: object, found: object) -> Token:
    """Reads what is stored of a token. Raises InvalidArgument, which says what is wrong with it."""
    name = checked_name(name)
    if not isinstance(found, Mapping):
        raise InvalidArgument(f"the token {name!r} is no object")
    if not isinstance(found.get("digest"), str) or not _DIGEST.fullmatch(found["digest"]):
        raise InvalidArgument(f"the token {name!r} has no digest: 64 hex digits. remove it, and add it anew")
    try:
        scope = checked_scope(
            found.get("scope", []),
            found.get("types"),
            found.get("components"),
            found.get("key_prefix"),
            found.get("headers", {}),
        )
    except InvalidArgument as error:
        raise InvalidArgument(f"the token {name!r}: {error}") from None
    return Token(name, found["digest"], scope, str(found.get("created", "")), found.get("used"))


def checked_scope(
    rights: Sequence[str],
    types: Sequence[str] | None,
    components: Sequence[str] | None,
    key_prefix: str | None,
    headers: Mapping[str, str],
) -> Scope:
    """Makes a scope. Raises InvalidArgument: a restriction that means nothing would protect nothing."""
    if not isinstance(rights, list | tuple) or not rights or not set(rights) <= set(RIGHTS):
        raise InvalidArgument(f"scope={rights!r:.100}: some of {', '.join(RIGHTS)}")
    if not (key_prefix is None or (isinstance(key_prefix, str) and key_prefix)):
        raise InvalidArgument(f"key_prefix={key_prefix!r:.100}: a text that keys begin with")
    if not isinstance(headers, Mapping) or not all(isinstance(each, str) for each in (*headers, *headers.values())):
        raise InvalidArgument(f"headers={headers!r:.100}: names with the values that they must have")
    named, owned = _names("types", types, TYPE_NAME), _names("components", components, _COMPONENT)
    return Scope(frozenset(rights), named, owned, key_prefix, dict(headers))


def _names(what: str, given: Sequence[str] | None, form: re.Pattern[str]) -> frozenset[str] | None:
    if given is None:
        return None
    if not isinstance(given, list | tuple) or not given:
        raise InvalidArgument(f"{what}={given!r:.100}: a list of names; leave it out for all")
    for name in given:
        if not isinstance(name, str) or not form.fullmatch(name):
            raise InvalidArgument(f"{what}: {name!r:.100} can be none")
    return frozenset(given)
