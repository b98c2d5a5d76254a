"""Guards the page: what a browser may do with it, who may see messages, and who may act."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import SplitResult, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from outbox.serving.loopback import is_loopback

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer: nothing is loaded from another host, no script stands in a page, and no other site shows it."""

_JSON = "application/json"


class Refused(Exception):
    """The page does not answer this, with why. `code` is HTTP's."""

    def __init__(self, code: int, error: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.error = error


class Guard:
    """Decides who may do what. Thread-safe.

    host: where the page is served. On a loopback address messages are shown to whoever comes, who must ask for it by a
    name of this machine: so a site that gives its own name this address sees nothing. Elsewhere messages are shown to
    those who have the token. token: None: nobody may act.
    """

    def __init__(self, host: str, token: str | None) -> None:
        self.is_local = is_loopback(host)
        self._token = token
        self._key = secrets.token_bytes(32)
        self.cookie = f"relay_page_{secrets.token_hex(4)}"
        """The cookie that a CSRF token goes with. Pages on several ports do not take it from each other."""

    @property
    def can_act(self) -> bool:
        """Tells whether anybody may."""
        return self._token is not None

    def check_host(self, request: Request) -> None:
        """Raises Refused for a page on loopback that is asked for by another name."""
        if self.is_local and not is_loopback(_parsed(f"//{request.headers.get('host', '')}").hostname or ""):
            raise Refused(
                403, "wrong_host", "ask for it by 127.0.0.1 or localhost; to serve it to others, --listen 0.0.0.0:…"
            )

    def has_token(self, request: Request) -> bool:
        """Tells whether the request has the token."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        is_bearer = self._token is not None and scheme.lower() == "bearer"
        return is_bearer and hmac.compare_digest(given.strip().encode(), (self._token or "").encode())

    def shows_messages(self, request: Request) -> bool:
        """Tells whether data and headers of messages are shown to who asks."""
        return self.is_local or self.has_token(request)

    def session(self, request: Request, response: Response) -> str:
        """Gives a browser the cookie, or lets it keep the one it has, and returns the CSRF token that goes with it."""
        session = request.cookies.get(self.cookie) or secrets.token_urlsafe(24)
        response.set_cookie(self.cookie, session, httponly=True, samesite="strict", path="/")
        return self.csrf_of(session)

    def csrf_of(self, session: str) -> str:
        """Returns the CSRF token of a cookie's value; only this process can make it."""
        return hmac.new(self._key, session.encode(), hashlib.sha256).hexdigest()

    def check_act(self, request: Request) -> None:
        """Raises Refused unless the request may act: with the token, from the page itself, and with its CSRF token."""
        if not self.can_act:
            raise Refused(403, "read_only", "this page only shows: give `relay run` a --page-token to act on it")
        if not self.has_token(request):
            raise Refused(401, "no_token", "acts need the page's token: Authorization: Bearer …")
        origin = _parsed(request.headers.get("origin", ""))
        if not origin.netloc or origin.netloc.lower() != request.headers.get("host", "").lower():
            raise Refused(403, "wrong_origin", "acts are taken from the page itself, not from another site")
        given, session = request.headers.get("x-csrf-token", ""), request.cookies.get(self.cookie, "")
        if not session or not hmac.compare_digest(given.encode(), self.csrf_of(session).encode()):
            raise Refused(403, "no_csrf_token", "the page's CSRF token is missing or old: load the page again")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
            raise Refused(415, "not_json", f"send {_JSON}")


def _parsed(address: str) -> SplitResult:
    """Splits an address that anybody may have made; one that is none has no parts."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
