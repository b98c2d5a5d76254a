"""Each block of the pages names its language, and each language is checked: here, or where it is said."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import textwrap
import tomllib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import kubernetes_validate
import pytest
from bson import Decimal128, Int64
from ruamel.yaml import YAML
from typer.testing import CliRunner

from outbox.archive.manifest import Entry, Manifest
from outbox.archive.stores.folder import Folder
from outbox.delivery.ports import Outgoing
from relay.cli.app import app as relay
from relay.cli.replay import command as replay
from relay.encoding.encoder import Encoder
from relay.encoding.record_format import Encoding, RecordFormat
from relay.encoding.shaped import ShapedEncoder
from relay.replay.counting import Counted
from tests.acceptance.pages import INDENTED, ROOT
from tests.actors.database_users import ROLES
from tests.doubles.batches import LOG, batch_of, record
from tests.unit.project.test_pages import PAGES, name

CI = os.environ.get("CI") == "true"
FENCE = re.compile(r"^( *)(`{3,}|~{3,})([^`\n]*)\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
TYPED = re.compile(
    r"(\$ |\w+=\S+ +)*(\.venv/bin/)?(outbox|relay|python3?|pip|cd|npm|gunicorn|uvicorn|RELAY_\w+)[ =\n]|# "
)
ELSEWHERE = {"python": "tests/acceptance/test_blocks.py", "go": "tests/acceptance/test_go_put.py"}
"""Who checks a language, if it is none of the tests below."""
SHOWN = {
    "docs/architecture.md": "tests/unit/project/test_architecture.py",
    "docs/archive.md": "below",
    "docs/encodings.md": "below",
    "docs/reference/commands.md": "tests/unit/project/test_help.py",
    "docs/replay.md": "below",
    "docs/schema-evolution.md": "tests/integration/outbox/cli/schema/test_commands.py",
}
"""Who compares what a page shows as text, or of a console, with what is printed."""


class Block(NamedTuple):
    """A block of a page."""

    page: str
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(text: str, page: str = "a page") -> list[Block]:
    """Returns the fenced blocks of a text."""
    return [
        Block(page, text.count("\n", 0, found.start(4)) + 1, found[3].strip(), textwrap.dedent(found[4]))
        for found in FENCE.finditer(text)
    ]


BLOCKS = [block for page in PAGES for block in blocks(page.read_text(encoding="utf-8"), name(page))]


def of(*languages: str) -> list[Block]:
    """Returns the blocks of these languages, and wants at least one of each."""
    found = [block for block in BLOCKS if block.language in languages]
    assert {block.language for block in found} == set(languages)
    return found


def only(page: str, language: str = "text") -> str:
    [block] = [each for each in of(language) if each.page == page]
    return block.code


def tool(program: str, *arguments: str, needed: bool = True) -> None:
    """Runs a checker; where it is not installed the test is skipped, but a needed one has to be there in CI."""
    if shutil.which(program) is None:
        (pytest.fail if CI and needed else pytest.skip)(f"NO {program}: SOME BLOCKS OF THE PAGES ARE NOT CHECKED")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_block_has_a_language_that_somebody_checks() -> None:
    checked = {"toml", "yaml", "json", "js", "sh", "text", "console", *ELSEWHERE}
    unchecked = [f"{block} {block.language!r}" for block in BLOCKS if block.language not in checked]
    assert unchecked == []
    assert {block.page for block in of("text", "console")} == SHOWN.keys()
    assert all((ROOT / test).exists() for test in [*ELSEWHERE.values(), *SHOWN.values()] if test != "below")
    of_python = [block.page for block in of("python")]
    assert [page for page in of_python if page != "README.md" and Path(page).parent != Path("docs")] == []


def test_no_fence_is_left_open() -> None:
    fences = Counter(
        name(page) for page in PAGES for line in page.read_text(encoding="utf-8").splitlines() if "```" in line[:9]
    )
    assert fences == Counter({page: 2 * count for page, count in Counter(block.page for block in BLOCKS).items()})


@pytest.mark.parametrize("block", of("toml"), ids=str)
def test_the_relay_takes_each_file_of_settings(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(block.code.replace("/etc/ssl/ca.pem", "probe"), encoding="utf-8")  # that file is not here
    given = tomllib.loads(block.code)
    missing = {"mongo": "mongodb://localhost", "database": "shop", "kafka": "localhost:9092"}
    if "kafka" in given:
        del missing["kafka"]
    flags = [word for flag, value in missing.items() if flag not in given for word in (f"--{flag}", value)]

    checked = CliRunner().invoke(relay, ["config", "check", "--config", str(file), *flags])

    assert checked.exit_code == 0, checked.output


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_kubernetes_or_prometheus_takes_each_part_of_a_file(block: Block, tmp_path: Path) -> None:
    part = YAML(typ="safe").load(block.code)
    if "scrape_configs" in part:
        file = tmp_path / "prometheus.yml"
        file.write_text(block.code, encoding="utf-8")
        tool("promtool", "check", "config", "--syntax-only", str(file), needed=False)
    else:
        container = {"name": "relay", "image": "mongo-outbox-relay", **part}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "relay"}, "spec": {"containers": [container]}}
        kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)


def test_node_takes_the_javascript_or_mongosh_makes_a_role_of_it(tmp_path: Path) -> None:
    roles = [block for block in of("js") if block.code.startswith("db.createRole(")]
    assert [json.loads(each.code.strip()[len("db.createRole(") : -1])["role"] for each in roles] == list(ROLES)
    for block in of("js"):
        if block not in roles:
            file = tmp_path / "block.mjs"
            file.write_text(block.code, encoding="utf-8")
            tool("node", "--check", str(file))


def test_bash_takes_what_is_to_be_typed_and_finds_the_files_that_it_names(tmp_path: Path) -> None:
    typed = of("sh")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in INDENTED.finditer(text):
            code = textwrap.dedent(found[0])
            if TYPED.match(code) and not any(block.code.find(code) >= 0 for block in BLOCKS):
                prompted = [line[2:] for line in code.splitlines() if line.startswith("$ ")]
                line = text.count("\n", 0, found.start()) + 1
                typed.append(Block(name(page), line, "", "\n".join(prompted) or code))
    script = tmp_path / "typed.sh"
    script.write_text("".join(f": {block}\n{block.code}\n" for block in typed), encoding="utf-8")

    tool("bash", "-n", str(script))
    named = {file for block in typed for file in re.findall(r"(?<![\w/.-])(?:docs|examples)/[\w/.-]+\.\w+", block.code)}
    assert len(named) > 5
    assert [file for file in named if not (ROOT / file).exists()] == []


def sent(encoding: Encoding) -> Outgoing:
    """The message that docs/encodings.md shows in each encoding, as the relay sends it."""
    at = datetime(2025, 1, 2, 3, 4, 5, 678_000, UTC)
    data = {"order_id": "42", "total": Decimal128("9.90"), "at": at, "pieces": Int64(3)}
    form = RecordFormat(encoding)
    encoder = ShapedEncoder(Encoder(str, LOG, form.form), form, None, "/shop/outbox")
    put = batch_of(record(data, type="order.placed", key="42"), first=1041)
    [outgoing], _, error = encoder.encode(put.records())
    assert error is None
    return outgoing


def test_the_encodings_of_the_page_are_what_the_relay_sends() -> None:
    *_, headers = sent("cloudevents")
    shown = re.findall(r"([\w-]+): (\S+)", only("docs/encodings.md"))
    assert sorted(shown) == sorted(header for header in headers if header[0].startswith(("ce_", "content-type")))

    values = {encoding: sent(encoding)[3] or b"" for encoding in ("json", "extended-json", "bson")}  # type: ignore[arg-type]
    structured = sent("cloudevents-structured")[3]
    assert structured is not None
    assert only("docs/encodings.md", "json").strip() == structured.decode()
    page = (ROOT / "docs" / "encodings.md").read_text(encoding="utf-8")
    for encoding in ("json", "extended-json"):
        assert f"| `{encoding}` | `{values[encoding].decode()}` |" in page
    assert f"| `bson` | the {len(values['bson'])} bytes of the document |" in page


def test_an_archive_has_the_files_that_the_page_shows(tmp_path: Path) -> None:
    entry = Entry(1, 100_000, "", "", 100_000, 0, "", "jsonl.gz", [])
    manifest = Manifest(Folder(tmp_path), "NAME")

    assert only("docs/archive.md").split() == [f"PATH/{manifest.path(entry)}", f"PATH/{manifest.folder}/{1:019d}.json"]


def test_a_replay_counts_as_the_page_shows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    counted = Counted(1041, 1392, {("order.cancelled", "shop.outbox"): 12, ("order.placed", "shop.outbox"): 340})
    monkeypatch.setattr("relay.replay.counting.count", lambda *_: counted)

    replay._count(type("Config", (), {"where": "shop.outbox"}), None, as_json=False)  # type: ignore[arg-type]

    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert printed == only("docs/replay.md").splitlines()


def test_blocks_are_found_in_a_text() -> None:
    found = blocks("- a\n\n  ```sh\n  relay run\n  ```\n\n```\nb\n```\n")

    assert [each[1:] for each in found] == [(4, "sh", "relay run\n"), (8, "", "b\n")]
