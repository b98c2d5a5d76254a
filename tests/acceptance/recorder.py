"""Records metrics as input of promtool's tests of rules."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Collection, Mapping

Samples = Mapping[str, Mapping[frozenset[tuple[str, str]], float]]
"""Values by the name of a metric and its labels."""

_HEAD = """\
# promtool test rules {name}: each alert fires on what was recorded, every {step} s, on a day of {minutes} min.
# Made by tests/acceptance/test_fault_day_recorded.py; databases are called by their faults.
rule_files: [alerts.yml]
evaluation_interval: {step}s
tests:
"""


class Recorder:
    """Keeps what each fault's series were at each step."""

    def __init__(self, names: Collection[str], faults: Mapping[str, str]) -> None:
        """names: the metrics that count. faults: which fault befalls a database."""
        self._names = names
        self._faults = faults
        self._steps = 0
        self._series: defaultdict[str, defaultdict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))

    def note(self, step: int, instance: str, samples: Samples) -> None:
        """Notes what a process gave. One whose metrics have no database is called by the fault that befalls it."""
        self._steps = max(self._steps, step + 1)
        for name in self._names:
            for labels, value in samples.get(name, {}).items():
                given = dict(labels)
                fault = self._faults.get(given.get("database", ""), instance)
                shown = {"instance": instance, **given, "database": fault}
                text = ", ".join(f'{label}="{shown[label]}"' for label in sorted(shown))
                self._series[fault][f"{name}{{{text}}}"][step] = value

    def written(self, name: str, step_seconds: int, alerts: Mapping[str, Collection[str]]) -> str:
        """Writes a test for each fault: which alerts fire at some time, and no others."""
        minutes = self._steps * step_seconds / 60
        lines = [_HEAD.format(name=name, step=step_seconds, minutes=f"{minutes:.0f}")]
        for fault, expected in alerts.items():
            lines += [f"  - name: {fault}\n    interval: {step_seconds}s\n    input_series:\n"]
            for series, values in sorted(self._series[fault].items()):
                lines += [f"      - {{series: '{series}', values: '{self._values(values)}'}}\n"]
            fired = 'group by (alertname) (max_over_time(ALERTS{alertstate="firing"}[1h]))'
            samples = ", ".join(f"{{labels: '{{alertname=\"{each}\"}}', value: 1}}" for each in sorted(expected))
            end = self._steps * step_seconds
            lines += ["    promql_expr_test:\n"]
            lines += [f"      - {{expr: '{fired}', eval_time: {end}s, exp_samples: [{samples}]}}\n"]
        return "".join(lines)

    def _values(self, values: Mapping[int, float]) -> str:
        """Writes them in promtool's short form; where they end, they are stale, as Prometheus makes them."""
        texts = []
        for step in range(self._steps):
            if step in values:
                texts.append(_number(values[step]))
            else:
                texts.append("stale" if step - 1 in values else "_")
        runs = [(text, len(list(run))) for text, run in itertools.groupby(texts)]
        return " ".join(
            text if count == 1 else f"{text}x{count}" if text == "_" else f"{text}x{count - 1}" for text, count in runs
        )


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf"
    return f"{value:.6g}" if value < 1e6 else str(int(value))
