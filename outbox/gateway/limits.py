"""What the gateway takes at most, of all clients and of each."""

from __future__ import annotations

from dataclasses import dataclass

from outbox.errors import InvalidArgument


@dataclass(frozen=True)
class Limits:
    """Settings with defaults that are safe. Raises InvalidArgument for a number below 1.

    Of one process: a balancer's processes have each their own.
    """

    connections: int = 1000
    """Requests, streams and WebSockets at a time."""
    connections_of_token: int = 200
    """The same of each token."""
    consumers: int = 200
    """Registered consumers at a time; each is a reader with threads of its own."""
    queue_bytes: int = 8 << 20
    """What one consumer holds for its client, as JSON; a single record may be larger."""
    request_bytes: int = 2 << 20
    """The body of a request, and a message on a WebSocket."""
    requests_a_second: int = 200
    """Of each token, on average; ten seconds' worth may come at once."""
    send_seconds: float = 60.0
    """So long a client may take nothing of what is sent to it; then its connection is closed."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 1:
                raise InvalidArgument(f"{name}={value!r}: a number, 1 or more")
