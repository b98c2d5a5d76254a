"""The command line: `python -m bench`, from a clone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pymongo.errors import ServerSelectionTimeoutError
from rich.console import Console

from bench import report
from bench.benchmark import Measurement, measure
from bench.catalogue import CATALOGUE
from bench.load import Load
from bench.stage import Stage
from outbox.errors import EmbeddedUnavailable, UnsupportedServer
from relay.errors import Unreachable
from tests.servers.kafka import KafkaUnavailable

_NO_SERVER = 3

app = typer.Typer(add_completion=False)


@app.command()
def main(
    messages: Annotated[int, typer.Option(min=100, help="Backlog of the throughput benchmarks.")] = 50_000,
    size: Annotated[int, typer.Option(min=1, help="Bytes of a staged document; about 800 at least.")] = 1200,
    flat: Annotated[bool, typer.Option("--flat", help="Messages of one long text, not of 28 values.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is run, ours and bare in turns.")] = 5,
    only: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    json: Annotated[Path | None, typer.Option(help="A file to write every figure to.", dir_okay=False)] = None,
    mongo: Annotated[str | None, typer.Option(help="The URI of a replica set; else one is started.")] = None,
    kafka: Annotated[str | None, typer.Option(help="host:port of a broker; else one is started.")] = None,
) -> None:
    """Measures the outbox and the relay beside the bare drivers doing the same bytes in the same run.

    Asserts nothing. Uses databases and topics of its own, and removes them.
    """
    names = only or list(CATALOGUE)
    for name in names:
        if name not in CATALOGUE:
            raise typer.BadParameter(f"there is no {name!r}; there are {', '.join(CATALOGUE)}", param_hint="--only")
    console, progress = Console(), Console(stderr=True)
    try:
        with Stage(Load(messages, size, flat), mongo, kafka) as stage:
            measurements: list[Measurement] = []
            for number, name in enumerate(names, 1):
                progress.print(f"[{number}/{len(names)}] {name}", style="dim", markup=False)
                measurements += measure(CATALOGUE[name](stage), rounds)
            console.print(report.table(measurements))
            if json is not None:
                report.write(json, stage, rounds, measurements)
    except (EmbeddedUnavailable, UnsupportedServer, ServerSelectionTimeoutError) as error:
        progress.print(f"No MongoDB to measure with: {error}. Name a replica set with --mongo.", markup=False)
        raise typer.Exit(_NO_SERVER) from error
    except (KafkaUnavailable, Unreachable) as error:
        progress.print(f"No Kafka to measure with: {error}. Name a broker with --kafka.", markup=False)
        raise typer.Exit(_NO_SERVER) from error
