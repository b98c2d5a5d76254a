"""The command `outbox doctor`."""

from __future__ import annotations

import json
import textwrap

from outbox import Outbox
from tests.acceptance.pages import INDENTED, ROOT
from tests.integration.outbox.cli.shell import Shell


def test_notes_end_with_0_and_say_what_why_and_what_to_do(shell: Shell, orders: Outbox) -> None:
    ended = shell.run("doctor", "shop:orders")

    assert ended.returncode == 0, ended.stdout
    lines = ended.stdout.splitlines()
    assert lines[0] == f"{orders.collections.log.full_name}: 15 checks, 1 finding(s)"
    *_, shown = INDENTED.findall((ROOT / "docs" / "doctor.md").read_text(encoding="utf-8"))
    assert lines[2:] == textwrap.dedent(shown).splitlines()


def test_a_serious_finding_ends_with_1(shell: Shell, orders: Outbox) -> None:
    orders.collections.database.command("collMod", orders.collections.staging.name, validationAction="warn")

    ended = shell.run("doctor", "shop:orders", "--json")

    shown = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert [each["check"] for each in shown["findings"] if each["serious"]] == ["validator"]
