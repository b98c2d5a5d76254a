"""The calls of a gateway over HTTP, made again until they are answered."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator, Mapping

import httpx2

from outbox.backoff import delay
from outbox.clock import SystemClock
from outbox.errors import InvalidArgument, OutboxClosed
from outbox.events import Disconnected
from outbox.remoting.events import Connected, OnRemoteEvent, Overflow, Received, RemoteEvent
from outbox.remoting.wire import Again, Answer, Ask, RemoteUnavailable, checked

FIRST_SECONDS, MOST_SECONDS = 0.1, 3.0
"""The pauses between tries: doubled each time, less up to half by chance."""
TRY_SECONDS = 30.0
"""So long a call that somebody waits for is tried."""
ANSWER_SECONDS = 35.0
"""So long an answer may take: longer than a gateway lets a poll wait."""
_UNIX = "unix:///"


def _client(url: object, token: str | None) -> httpx2.Client:
    """Makes what asks the gateway at an address. Raises InvalidArgument."""
    headers = dict(headers_of(token))
    if isinstance(url, str) and url.startswith(("http://", "https://", _UNIX)):
        is_unix = url.startswith(_UNIX)
        with contextlib.suppress(httpx2.InvalidURL):
            return httpx2.Client(
                base_url="http://localhost" if is_unix else url,
                transport=httpx2.HTTPTransport(uds=url.removeprefix("unix://")) if is_unix else None,
                headers=headers,
                timeout=ANSWER_SECONDS,
                follow_redirects=False,
            )
    raise InvalidArgument(
        f"{url!r:.100} is no gateway's address: give one such as http://127.0.0.1:8321, or unix:///run/gateway.sock"
    )


def headers_of(token: str | None) -> Mapping[str, str]:
    """Makes the headers of every call. Raises InvalidArgument for what can be no token."""
    if token is None:
        return {}
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise InvalidArgument("the token is none: give the text that `outbox token add` printed")
    return {"Authorization": f"Bearer {token}"}


def pause(failures: int, least: float) -> float:
    """Returns how long to wait after so many failures in a row."""
    return max(least, delay(failures, random.random, FIRST_SECONDS, MOST_SECONDS))


class Reach:
    """Notes whether the gateway answers, and tells of it when that changes; for one thread. Any may tell."""

    def __init__(self, on_event: OnRemoteEvent | None) -> None:
        self._on_event = on_event
        self._lock = threading.Lock()
        self._is_connected: bool | None = None
        self.failures = 0

    def answered(self) -> None:
        """Notes an answer."""
        self.failures = 0
        if self._is_connected is not True:
            self._is_connected = True
            self.tell(Connected())

    def failed(self, again: Again) -> float:
        """Notes a failure, and returns how long to wait."""
        self.failures += 1
        if self._is_connected is not False:
            self._is_connected = False
            self.tell(Disconnected(again.cause))
        return pause(self.failures, again.seconds)

    def came(self, answer: Answer) -> None:
        """Tells what has come, and what was skipped."""
        if answer.skipped != 0:
            self.tell(Overflow(answer.skipped or 0))
        if answer.records:
            self.tell(Received(len(answer.records)))

    def tell(self, event: RemoteEvent) -> None:
        """Tells whoever listens."""
        if self._on_event is not None:
            with self._lock:
                self._on_event(event)


class Connection:
    """Makes calls. Thread-safe."""

    def __init__(self, url: str, token: str | None) -> None:
        self._client = _client(url, token)
        self.is_closed = False

    def check_open(self) -> None:
        """Raises OutboxClosed."""
        if self.is_closed:
            raise OutboxClosed("this remote outbox was closed; make a new one")

    def once(self, ask: Ask) -> httpx2.Response:
        """Makes a call. Raises Again for what passes, and what the gateway refuses it for."""
        self.check_open()
        try:
            response = self._client.request(
                ask.method, ask.path, params=dict(ask.params), content=ask.body, headers=dict(ask.headers)
            )
        except httpx2.TransportError as error:
            raise Again(error) from error
        return checked(response)

    @contextlib.contextmanager
    def streamed(self, ask: Ask) -> Iterator[httpx2.Response]:
        """Makes a call whose answer is read as it comes. Raises as `once`, also while it is read."""
        self.check_open()
        try:
            with self._client.stream(ask.method, ask.path, headers=dict(ask.headers)) as response:
                if not response.is_success:
                    response.read()
                yield checked(response)
        except httpx2.TransportError as error:
            raise Again(error) from error

    def call(self, ask: Ask) -> httpx2.Response:
        """Makes a call that somebody waits for, 30 s at most. Raises RemoteUnavailable."""
        until, reach = time.monotonic() + TRY_SECONDS, Reach(None)
        while True:
            try:
                return self.once(ask)
            except Again as again:
                seconds = reach.failed(again)
                if time.monotonic() + seconds > until:
                    raise RemoteUnavailable(f"no answer from the gateway: {again}") from again.cause
                SystemClock().wait(seconds)

    def lasting(self, ask: Ask, reach: Reach, stop: threading.Event) -> httpx2.Response | None:
        """Makes a call, for ever, until `stop` is set: then None."""
        while not stop.is_set():
            try:
                response = self.once(ask)
            except Again as again:
                stop.wait(reach.failed(again))
            else:
                reach.answered()
                return response
        return None

    def last(self, ask: Ask, reach: Reach) -> None:
        """Makes a call that is worth a try or two, and no more, for somebody who ends."""
        if not self.is_closed:
            self.lasting(ask, reach, _Soon())

    def close(self) -> None:
        """Closes it. Idempotent."""
        self.is_closed = True
        self._client.close()


class _Soon(threading.Event):
    """Is set after a few looks."""

    def __init__(self) -> None:
        super().__init__()
        self._looks = 2

    def is_set(self) -> bool:
        self._looks -= 1
        return self._looks < 0

    def wait(self, timeout: float | None = None) -> bool:
        return True
