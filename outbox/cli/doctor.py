"""The command `outbox doctor`, and how findings are shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import typer

from outbox.cli.application import App, full_name, opened
from outbox.cli.exit_codes import UNEXPECTED
from outbox.cli.options import AsJson
from outbox.doctor.collections import SERVICE, OutboxExamination
from outbox.doctor.finding import Finding, examined
from outbox.doctor.server import ServerExamination


def doctor(app: App, as_json: AsJson = False) -> None:
    """Look for what is wrong, and say what mends it.

    On the server, in the outbox, and against the message classes. It changes nothing. Ends with 1 when a finding is
    serious: messages may be lost, or do not arrive.
    """
    with opened(app) as outbox:
        own = OutboxExamination(outbox.collections, outbox.declared, app, SERVICE)
        checks = {**ServerExamination(outbox.collections).checks(), **own.checks()}
        findings = list(examined(checks))
        show(full_name(outbox), findings, len(checks), as_json=as_json)
        end(findings)


def show(where: str, findings: Sequence[Finding], checks: int, *, as_json: bool) -> None:
    """Prints the findings about an outbox, the serious ones first."""
    findings = sorted(findings, key=lambda finding: not finding.serious)
    if as_json:
        print(json.dumps({"outbox": where, "checks": checks, "findings": [asdict(each) for each in findings]}))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console()
    console.print(Text(f"{where}: {checks} checks, {len(findings) or 'no'} finding(s)", style="bold"))
    for each in findings:
        console.print()
        style = "bold red" if each.serious else "bold yellow"
        console.print(Text(f"{'serious' if each.serious else 'note'}: {each.what}", style=style))
        console.print(Text(f"  why:  {each.why}"))
        console.print(Text(f"  mend: {each.mend}"))


def end(findings: Sequence[Finding]) -> None:
    """Ends the command with 1 when a finding is serious."""
    if any(each.serious for each in findings):
        raise typer.Exit(UNEXPECTED)
