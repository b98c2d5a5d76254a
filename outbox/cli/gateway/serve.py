"""The command `outbox serve`: the outbox over HTTP."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from outbox import errors
from outbox.cli.application import App, full_name, opened
from outbox.cli.signals import stop_on_signals
from outbox.mongo.server_errors import patiently

PORT = 8321


def serve(
    app: App,
    host: Annotated[str, typer.Option(help="The address to listen on; one of others needs tokens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is any free one, which is printed.")] = PORT,
    tokens: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of `outbox token add`. Without it those of NAME.tokens, if it has any."),
    ] = None,
    archive: Annotated[
        str | None, typer.Option(metavar="URL", help="An archive, for what the log has forgotten.", show_default=False)
    ] = None,
) -> None:
    """Serve the outbox over HTTP, until SIGTERM or Ctrl-C.

    Clients poll, or are pushed by Server-Sent Events and WebSockets, and post. Without tokens only this machine can
    connect.
    """
    with opened(app) as outbox:
        from outbox.gateway.application import application
        from outbox.gateway.limits import Limits
        from outbox.gateway.serving import GatewayServer, check_bind, listening
        from outbox.gateway.tokens.bearer import TokenStore
        from outbox.gateway.tokens.file_tokens import FileTokens
        from outbox.gateway.tokens.stored_tokens import StoredTokens

        patiently(outbox.log.describe)  # raises if create() was never run
        store: TokenStore = FileTokens(tokens) if tokens is not None else StoredTokens(outbox.collections)
        has_tokens = bool(patiently(store.load))
        if tokens is not None and not has_tokens:
            raise errors.InvalidArgument(f"{tokens} has no token: `outbox token add NAME --tokens {tokens}`")
        check_bind(host, has_tokens=has_tokens)
        history = None
        if archive is not None:
            from outbox.archive import Archive

            history = Archive(archive)
        limits = Limits()
        made = application(outbox, tokens=store if has_tokens else None, limits=limits, archive=history)
        stop_on_signals()  # for the log output; the signals are uvicorn's while it serves
        logging.getLogger("outbox").setLevel(logging.INFO)
        with listening(host, port) as place:
            shown = f"[{host}]" if ":" in host else host
            print(f"{full_name(outbox)} is served at http://{shown}:{place.getsockname()[1]}", flush=True)
            GatewayServer(made, limits, only_own_names=not has_tokens).run(sockets=[place])
