"""The command line: `python -m bench`, from a clone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from pymongo.errors import ServerSelectionTimeoutError
from rich.console import Console

from bench.figures import compare as compared
from bench.figures import curves as curved
from bench.figures import estimate as estimated
from bench.figures import plots, report, rows
from bench.figures.archive import Archive, Entry
from bench.figures.estimate import EstimateUnavailable, Plan
from bench.figures.yardstick import Yardstick, YardstickFailed, YardstickUnavailable
from bench.rig.load import Load
from bench.rig.stage import Stage
from bench.workloads.catalogue import CATALOGUE, GROUPS, chosen
from outbox.errors import EmbeddedUnavailable, UnsupportedServer
from relay.errors import Unreachable
from tests.servers.kafka_jars import KafkaUnavailable

_UNAVAILABLE = 3

app = typer.Typer(
    help="Measures the outbox and the relay, beside the bare drivers and beside others. Asserts nothing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
progress = Console(stderr=True)

Messages = Annotated[int, typer.Option(min=100, help="Backlog of the throughput benchmarks.")]
Only = Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")]
Into = Annotated[Path | None, typer.Option(help="A folder for table, JSON and pictures.", file_okay=False)]
IntoAlways = Annotated[Path, typer.Option(help="A folder for table, JSON and pictures.", file_okay=False)]
Mongo = Annotated[str | None, typer.Option(help="The URI of a replica set; else one is started.")]
Kafka = Annotated[str | None, typer.Option(help="host:port of a broker; else one is started.")]


def say(text: str) -> None:
    """Of the progress, and of what went wrong."""
    progress.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """What is missing becomes a line and an exit code."""
    try:
        yield
    except (EmbeddedUnavailable, UnsupportedServer, ServerSelectionTimeoutError) as error:
        say(f"No MongoDB to measure with: {error}. Name a replica set with --mongo.")
        raise typer.Exit(_UNAVAILABLE) from error
    except (KafkaUnavailable, Unreachable) as error:
        say(f"No Kafka to measure with: {error}. Name a broker with --kafka.")
        raise typer.Exit(_UNAVAILABLE) from error
    except (plots.PlotsUnavailable, YardstickUnavailable, EstimateUnavailable) as error:
        say(str(error))
        raise typer.Exit(2) from error
    except YardstickFailed as error:
        say(str(error))
        raise typer.Exit(1) from error


@app.callback()
def common() -> None:
    """Has what all commands have in common: nothing but the help."""


@app.command()
def run(
    messages: Messages = 50_000,
    size: Annotated[int, typer.Option(min=1, help="Bytes of a staged document; about 800 at least.")] = 1200,
    flat: Annotated[bool, typer.Option("--flat", help="Messages of one long text, not of 28 values.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is run, ours and bare in turns.")] = 5,
    only: Only = None,
    into: Into = None,
    mongo: Mongo = None,
    kafka: Kafka = None,
) -> None:
    """Each benchmark beside the bare drivers doing the same work in the same run.

    Uses databases and topics of its own, and removes them.
    """
    try:
        names = chosen(only)
    except KeyError as error:
        known = f"{', '.join(GROUPS)} (groups), {', '.join(CATALOGUE)}"
        raise typer.BadParameter(f"there is no {error}; there are {known}", param_hint="--only") from None
    with explained():
        if into is not None:
            plots.require()
        measured: dict[str, Entry] = {}
        with Stage(Load(messages, size, flat), mongo, kafka) as stage:
            for name, entry in rows.run(stage, names, rounds, say):
                measured[name] = entry
                if into is not None:
                    rows.archive(into).add(name, entry)
        Console().print(report.table(measured))
        if into is not None:
            rows.draw(into)


@app.command()
def curves(
    messages: Messages = 50_000,
    only: Only = None,
    points: Annotated[int | None, typer.Option(min=1, help="Only so many of each curve, from the least.")] = None,
    into: Into = None,
    mongo: Mongo = None,
    kafka: Kafka = None,
) -> None:
    """Throughput and memory over the backlog, the size of a message, readers, writers, shares, and the log's size."""
    names = list(curved.CURVES) if only is None else only
    for name in names:
        if name not in curved.CURVES:
            known = ", ".join(curved.CURVES)
            raise typer.BadParameter(f"there is no {name!r}; there are {known}", param_hint="--only")
    with explained():
        if into is not None:
            plots.require()
        with Stage(Load(messages, 1200, flat=True), mongo, kafka) as stage:
            for name, entry in curved.run(stage, names, points, say):
                print(f"{name}: {curved.verdict(entry)}")
                if into is not None:
                    Archive(into / f"{curved.FILE}.json").add(name, entry)
        if into is not None:
            curved.draw(into)


@app.command()
def compare(
    yardstick: Annotated[Path, typer.Option(help="The folder of the kit, which needs Java 17 and Maven.")],
    into: IntoAlways,
    rounds: Annotated[int, typer.Option(min=1, help="How often each relay is run, in turns.")] = 3,
    only: Only = None,
    relay: Annotated[list[str] | None, typer.Option(help="Only this relay; may be repeated.")] = None,
) -> None:
    """This relay beside others, with the yardstick kit's own servers, payloads and clocks.

    The kit's settings (WORK, COUNT, LAT_S, …) are taken from the environment; see its README.
    """
    kinds = list(compared.KINDS) if only is None else only
    for kind in kinds:
        if kind not in compared.KINDS:
            known = ", ".join(compared.KINDS)
            raise typer.BadParameter(f"there is no {kind!r}; there are {known}", param_hint="--only")
    planned = compared.turns(kinds, relay)
    if not planned:
        raise typer.BadParameter("none of these relays is measured so", param_hint="--relay")
    with explained():
        plots.require()
        kit = Yardstick(yardstick)
        try:
            with kit.stack():
                for name, entry in compared.run(kit, planned, rounds, say):
                    Archive(into / f"{compared.FILE}.json").add(name, entry)
        finally:
            compared.draw(into)


@app.command()
def estimate(
    figures: Annotated[Path, typer.Option(help="The folder with the measured costs.")] = Path("docs/benchmarks"),
    rate: Annotated[int, typer.Option(min=1, help="Messages a second, all together.")] = Plan.rate,
    busy: Annotated[float, typer.Option(min=0.01, max=1, help="The part of a core that is planned for.")] = Plan.busy,
    copies: Annotated[int, typer.Option(min=1, help="Members of a replica set, replicas in Kafka.")] = Plan.copies,
    page: Annotated[Path | None, typer.Option(help="A page to put it into, between its marks.", exists=True)] = None,
) -> None:
    """On paper: what databases, relays and Kafka need for so many messages a second."""
    with explained():
        text = estimated.page(estimated.costs(figures), Plan(rate, busy, copies))
        print(text)
        if page is not None:
            estimated.renew(page, text)
