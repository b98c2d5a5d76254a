"""The files and figures of docs/deploying.md: checked by their own tools, and beside what they name."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer
from ruamel.yaml import YAML

from relay.cli.app import app
from relay.cli.settings import load
from relay.monitoring import http

ROOT = Path(__file__).parents[3]
FILES = ROOT / "docs" / "deploying"
UNIT = FILES / "outbox-relay.service"
KUBERNETES = [dict(each) for each in YAML(typ="safe").load_all((FILES / "kubernetes.yaml").read_text(encoding="utf-8"))]
PAGE = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def of_kind(kind: str) -> dict[str, Any]:
    [found] = [each for each in KUBERNETES if each["kind"] == kind]
    return dict(found["spec"])


@pytest.fixture
def pod() -> dict[str, Any]:
    return dict(of_kind("Deployment")["template"]["spec"])


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    [container] = pod["containers"]
    return dict(container)


@pytest.mark.parametrize("document", KUBERNETES, ids=lambda each: each["kind"])
def test_kubernetes_takes_each_document(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_a_misspelt_key_would_be_noticed() -> None:
    [deployment] = [each for each in KUBERNETES if each["kind"] == "Deployment"]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**deployment, "spec": {**deployment["spec"], "replica": 2}}, "1.37", strict=True)


def test_all_documents_are_about_the_same_pods() -> None:
    labels = of_kind("Deployment")["template"]["metadata"]["labels"]
    selectors = [
        of_kind("Deployment")["selector"], of_kind("PodDisruptionBudget")["selector"],
        of_kind("NetworkPolicy")["podSelector"],
        *(each["labelSelector"] for each in of_kind("Deployment")["template"]["spec"]["topologySpreadConstraints"]),
    ]  # fmt: skip

    assert all(each == {"matchLabels": labels} for each in selectors)


def test_one_relay_stays_whatever_is_updated_or_drained() -> None:
    deployment = of_kind("Deployment")

    assert deployment["replicas"] - of_kind("PodDisruptionBudget")["minAvailable"] == 1
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_probes_ask_what_the_relay_serves_where_it_listens(
    container: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {each["name"]: each["value"] for each in container["env"]}
    for name in ("RELAY_LISTEN", "RELAY_LOG_FORMAT"):
        monkeypatch.setenv(name, given[name])
    settings = load({"mongo": "mongodb://h", "database": "d"})  # raises for a variable that is no setting
    [port] = container["ports"]
    served = set(re.findall(r'"(/[a-z]+)": ', Path(str(http.__file__)).read_text(encoding="utf-8")))
    [allowed] = of_kind("NetworkPolicy")["ingress"]

    assert settings.listen == ("0.0.0.0", port["containerPort"])
    assert allowed["ports"] == [{"port": port["containerPort"]}]
    probed = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {each["path"] for each in probed.values()} == {"/healthz", "/readyz"} <= served
    assert {each["port"] for each in probed.values()} == {port["name"]}
    assert probed["liveness"]["path"] == "/healthz"


def test_the_settings_come_by_a_file_of_a_secret(pod: dict[str, Any], container: dict[str, Any]) -> None:
    [volume], [mount] = pod["volumes"], container["volumeMounts"]
    [config] = [each["value"] for each in container["env"] if each["name"] == "RELAY_CONFIG"]

    assert mount["name"] == volume["name"]
    assert volume["secret"]["secretName"] == "outbox-relay"
    assert config == f"{mount['mountPath']}/relay.toml"
    assert volume["secret"]["defaultMode"] & 0o007 == 0


def test_the_pod_may_do_nothing_that_a_relay_does_not_need(pod: dict[str, Any], container: dict[str, Any]) -> None:
    assert f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" in DOCKERFILE
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip


def directives() -> dict[str, list[str]]:
    """The values of the unit by their names."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not name.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_the_unit_starts_a_command_that_there_is_with_settings_that_there_are() -> None:
    [start] = directives()["ExecStart"]
    [environment] = directives()["Environment"]
    [credential] = directives()["LoadCredential"]
    given = dict(each.split("=", 1) for each in environment.split())

    program, *words = start.split()
    assert Path(program).name == "relay"
    assert words[0] in typer.main.get_command(app).commands  # type: ignore[attr-defined]  # it is a group
    assert given.keys() == {"RELAY_CONFIG", "RELAY_LISTEN"}
    assert given["RELAY_CONFIG"] == f"%d/{credential.partition(':')[0]}"


def test_the_unit_does_not_start_again_what_needs_a_person() -> None:
    assert directives()["Restart"] == ["on-failure"]
    assert directives()["RestartPreventExitStatus"] == ["2 4"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="NO systemd-analyze: THE UNIT IS NOT CHECKED")
def test_systemd_takes_the_unit_and_finds_it_safe(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/mongo-outbox/bin/relay", sys.executable))

    def analyzed(*arguments: str) -> str:
        command = ["systemd-analyze", *arguments, str(unit)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert analyzed("verify", "--man=no") == ""
    exposure = re.search(r"exposure level for .*: ([\d.]+) OK", analyzed("security", "--offline=true", "--no-pager"))
    assert exposure is not None
    assert f"calls it {exposure[1]}, OK" in PAGE.replace("\n", " ")


def test_the_figures_of_the_page_are_those_of_the_benchmarks() -> None:
    rows = json.loads((ROOT / "docs" / "benchmarks" / "rows.json").read_text(encoding="utf-8"))
    figures = re.findall(r"(?m)^\| .* \| ([\d.,]+) [^|]*\| `([\w-]+)`, ([^|]*) \|$", PAGE)

    assert len(figures) == 11
    for said, row, metric in figures:
        measured = rows[row]["metrics"][metric]["ours"]["median"]
        assert float(said.replace(",", "")) == pytest.approx(measured, rel=0.5), (row, metric)


def test_the_image_is_built_as_the_page_says() -> None:
    assert "ARG EXTRAS=relay" in DOCKERFILE
    assert 'HEALTHCHECK --interval=30s --timeout=10s --start-period=20s CMD ["relay", "health", "--self"]' in DOCKERFILE
    assert "TMPDIR=/dev/shm" in DOCKERFILE
