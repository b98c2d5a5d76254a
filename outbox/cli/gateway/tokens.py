"""The commands `outbox token …`: who may call the gateway."""

from __future__ import annotations

import contextlib
import difflib
import errno
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from outbox import dates, errors
from outbox.cli.application import OWN_CODES, opened
from outbox.cli.exit_codes import exit_codes
from outbox.cli.options import AsJsonLines
from outbox.cli.shell.completion import applications
from outbox.cli.shell.output import OutputLost

if TYPE_CHECKING:
    from outbox.gateway.tokens.bearer import TokenStore
    from outbox.gateway.tokens.token import Token

token = typer.Typer(no_args_is_help=True, help="Say by tokens who may call the gateway.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="1 to 63 of A-Z, a-z, 0-9, '_' and '-'.", show_default=False)]
File = Annotated[
    Path | None, typer.Option("--tokens", metavar="FILE", help="Where they are; or --app.", show_default=False)
]
InApp = Annotated[
    str | None,
    typer.Option(
        "--app",
        metavar="APP",
        help="Keep them in NAME.tokens, beside this outbox.",
        show_default=False,
        autocompletion=applications,
    ),
]


@contextlib.contextmanager
def _store(file: Path | None, app: str | None) -> Iterator[TokenStore]:
    from outbox.gateway.tokens.file_tokens import FileTokens
    from outbox.gateway.tokens.stored_tokens import StoredTokens

    with exit_codes("outbox", OWN_CODES):
        if (file is None) == (app is None):
            raise errors.InvalidArgument("say where the tokens are: --tokens FILE, or --app APP for its NAME.tokens")
        try:
            if file is not None:
                yield FileTokens(file)
                return
        except OSError as error:
            raise errors.InvalidArgument(f"{file}: {error.strerror or error}") from error
        assert app is not None
        with opened(app) as outbox:
            yield StoredTokens(outbox.collections)


def _now() -> str:
    return dates.text(datetime.now(UTC))


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else text.split(",")


@token.command()
def add(
    name: Name,
    scope: Annotated[str, typer.Option(metavar="RIGHTS", help="Some of read,post,admin.")] = "read",
    types: Annotated[str | None, typer.Option(metavar="TYPES", help="Only these message types: a,b.")] = None,
    components: Annotated[str | None, typer.Option(metavar="NAMES", help="Only consumers of these names: a,b.")] = None,
    key_prefix: Annotated[str | None, typer.Option(metavar="TEXT", help="Only keys that begin so.")] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only messages with this header; may be repeated.")
    ] = None,
    tokens: File = None,
    app: InApp = None,
) -> None:
    """Add a token, and print it: nothing can show it again."""
    from outbox.gateway.tokens.token import checked_scope, new_token

    with _store(tokens, app) as store:
        headers = {}
        for each in header or []:
            field, equals, value = each.partition("=")
            if not (field and equals):
                raise errors.InvalidArgument(f"--header {each!r}: give NAME=VALUE, such as tenant=acme")
            headers[field] = value
        allowed = checked_scope(scope.split(","), _listed(types), _listed(components), key_prefix, headers)
        made, text = new_token(name, allowed, _now())
        if name in _existing(store, tokens):
            raise errors.InvalidArgument(f"there is a token {name!r}: rotate it, or remove it first")
        _hand_out(store, made, text, None, sys.stdout)


@token.command()
def rotate(name: Name, tokens: File = None, app: InApp = None) -> None:
    """Give a token another secret, and print it.

    The old one counts no more, within a second.
    """
    from outbox.gateway.tokens.token import rotated

    with _store(tokens, app) as store:
        before = _found(store, name)
        made, text = rotated(before, _now())
        _hand_out(store, made, text, before, sys.stdout)


def _hand_out(store: TokenStore, made: Token, text: str, before: Token | None, stdout: TextIO | None) -> None:
    """Stores a token and prints it. Nothing can show it again: when nobody gets it, what was before counts on."""
    store.put(made)
    try:
        if stdout is None:
            raise OSError(errno.EBADF, "stdout is closed")
        print(text, file=stdout, flush=True)
    except (OSError, OutputLost) as error:
        if before is None:
            store.remove(made.name)
        else:
            store.put(before)
        if stdout is not None:  # Python must not complain again when it flushes at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        why = getattr(error, "strerror", None) or error
        raise errors.InvalidArgument(f"the token cannot be printed, so nothing is changed: {why}") from error


@token.command()
def remove(name: Name, tokens: File = None, app: InApp = None) -> None:
    """Remove a token; its connections end within seconds. The positions of its consumers stay."""
    with _store(tokens, app) as store:
        _found(store, name)
        store.remove(name)


@token.command("list")
def list_(
    tokens: File = None,
    app: InApp = None,
    as_json: AsJsonLines = False,
) -> None:
    """Show the tokens, what each may do, and when it was used last."""
    with _store(tokens, app) as store:
        found = sorted(store.load().values(), key=lambda each: each.name)
        if as_json:
            for each in found:
                print(json.dumps({"name": each.name, **_shown(each.as_document())}))
            return
        from rich.console import Console
        from rich.table import Table

        table = Table("token", "scope", "only", "created", "used", box=None, header_style="bold")
        for each in found:
            shown = each.as_document()
            only = [f"{key}={value}" for key, value in shown.items() if key in _RESTRICTIONS and value]
            table.add_row(each.name, ",".join(shown["scope"]), "\n".join(only), each.created, each.used or "never")
        Console().print(table)


_RESTRICTIONS = ("types", "components", "key_prefix", "headers")


def _shown(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "digest"}


def _existing(store: TokenStore, file: Path | None) -> dict[str, Any]:
    return {} if file is not None and not file.exists() else dict(store.load())


def _found(store: TokenStore, name: str) -> Token:
    tokens = store.load()
    if name not in tokens:
        close = difflib.get_close_matches(name, tokens, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there is {', '.join(tokens) or 'none'}"
        raise errors.InvalidArgument(f"there is no token {name!r}; {hint}")
    return tokens[name]
