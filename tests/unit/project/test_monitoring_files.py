"""The alert rules and the dashboard, beside the metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from outbox.metrics.families import FAMILIES as OF_OUTBOXES
from outbox.metrics.families import with_database
from relay.monitoring.metrics import FAMILIES as OF_RELAYS

DOCS = Path(__file__).parents[3] / "docs"
FILES = DOCS / "monitoring"
FAMILIES = {family.name: family for family in (*OF_OUTBOXES, *OF_RELAYS)}
NAMES = {
    name
    for family in FAMILIES.values()
    for name in (
        [family.name]
        if family.kind != "histogram"
        else [f"{family.name}_{part}" for part in ("bucket", "sum", "count")]
    )
}
LABELS = {label for family in with_database(FAMILIES.values()) for label in family.labels} | {"le", "instance"}


def rules() -> list[dict[str, Any]]:
    document: dict[str, Any] = YAML(typ="safe").load((FILES / "alerts.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    dashboard = json.loads((FILES / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (each["query"] for each in dashboard["templating"]["list"] if each["type"] == "query")


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_rules_and_dashboard_name_only_metrics_and_labels_that_there_are(expression: str) -> None:
    assert set(re.findall(r"\b(?:outbox|relay)_\w+", expression)) <= NAMES
    assert set(re.findall(r"(\w+)=~?\"", expression)) <= LABELS | {"datasource"}
    by = {label for group in re.findall(r"(?:by|on) \(([\w, ]*)\)", expression) for label in group.split(", ")}
    assert by <= LABELS


def test_the_dashboard_shows_every_metric_but_what_only_tells_the_version() -> None:
    shown = {name for expression in expressions() for name in re.findall(r"\b(?:outbox|relay)_\w+", expression)}

    unseen = {name for name in FAMILIES if not any(each.startswith(name) for each in shown)}

    assert unseen == set()


def test_the_page_says_of_each_alert_what_it_means_and_what_to_do() -> None:
    page = (DOCS / "monitoring.md").read_text(encoding="utf-8")

    rows = re.findall(r"^\| `([A-Z]\w+)` \| \S.* \| \S.* \|$", page, re.MULTILINE)

    assert rows == [rule["alert"] for rule in rules()]


def test_each_alert_fires_on_its_trouble_and_none_while_all_is_well() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("there is no promtool: it comes with the package prometheus")
    tests = ["alerts_test.yml", "alerts_recorded_test.yml"]
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", *tests]):
        done = subprocess.run([promtool, *command], cwd=FILES, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    for name in tests:
        fired = set(re.findall(r'alertname="(\w+)"', (FILES / name).read_text()))
        assert {rule["alert"] for rule in rules()} == fired, name
