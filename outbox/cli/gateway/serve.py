"""The command `outbox serve`: the outbox over HTTP."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from outbox import errors
from outbox.cli.application import App, archive_at, full_name, opened
from outbox.cli.gateway.beside import Part, archiving, beside, discarding, relaying
from outbox.cli.shell.signals import Format, LogFormat, stop_on_signals
from outbox.mongo.server_errors import patiently

PORT = 8321


def serve(
    app: App,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="The address to listen on; one of others needs tokens.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65535, help="0 is any free one, which is printed.")
    ] = PORT,
    socket: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Listen on a Unix socket instead, for this user and its group."),
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of `outbox token add`. Without it those of NAME.tokens, if it has any."),
    ] = None,
    archive: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Keep all of history there, unless another process does, and give what the log has forgotten.",
            show_default=False,
        ),
    ] = None,
    discard: Annotated[
        bool, typer.Option("--discard", help="Remove what has its time behind it, once a day, as `outbox discard`.")
    ] = False,
    relay: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Relay to Kafka, too, by this file of `relay run`.", show_default=False),
    ] = None,
    log_format: LogFormat = Format.TEXT,
) -> None:
    """Serve the outbox over HTTP, until SIGTERM or Ctrl-C.

    Clients poll, or are pushed by Server-Sent Events and WebSockets, and post. Without tokens only this machine can
    connect. With --archive, --discard and --relay one process does all that a small service needs; when one of
    them fails, it ends with the code of that.
    """
    with opened(app) as outbox:
        from outbox.gateway.application import application
        from outbox.gateway.limits import Limits
        from outbox.gateway.serving import GatewayServer, check_bind, listening, listening_at
        from outbox.gateway.tokens.bearer import TokenStore
        from outbox.gateway.tokens.file_tokens import FileTokens
        from outbox.gateway.tokens.stored_tokens import StoredTokens

        patiently(outbox.log.describe)  # raises if create() was never run
        store: TokenStore = FileTokens(tokens) if tokens is not None else StoredTokens(outbox.collections)
        has_tokens = bool(patiently(store.load))
        if tokens is not None and not has_tokens:
            raise errors.InvalidArgument(f"{tokens} has no token: `outbox token add NAME --tokens {tokens}`")
        if socket is None:
            check_bind(host, has_tokens=has_tokens)
        history = None if archive is None else archive_at(archive, "main")
        parts: dict[str, Part] = {}
        if archive is not None:
            parts["archive"] = archiving(outbox, archive)
        if discard:
            parts["discard"] = discarding(outbox)
        if relay is not None:
            parts["relay"] = relaying(relay)
        limits = Limits()
        made = application(outbox, tokens=store if has_tokens else None, limits=limits, archive=history)
        made.state.gateway.waits = lambda: [name for name, part in parts.items() if part.trouble()]
        stop_on_signals(log_format)  # for the log output; the signals are uvicorn's while it serves
        logging.getLogger("outbox").setLevel(logging.INFO)
        with listening(host, port) if socket is None else listening_at(socket) as place:
            shown = f"[{host}]" if ":" in host else host
            at = f"http://{shown}:{place.getsockname()[1]}" if socket is None else f"unix://{socket.absolute()}"
            print(f"{full_name(outbox)} is served at {at}", flush=True)
            server = GatewayServer(made, limits, only_own_names=not has_tokens)
            with beside(parts, server.leave):
                server.run(sockets=[place])
