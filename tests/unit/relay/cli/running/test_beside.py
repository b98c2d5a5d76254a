"""A relay beside what another command does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from outbox.counting.tally import ReaderTally
from relay.cli.running import beside as module
from relay.cli.running.beside import Beside
from relay.errors import TopicMissing, Unreachable

pytestmark = pytest.mark.usefixtures("no_environment")


@pytest.fixture
def settings(tmp_path: Path) -> str:
    file = tmp_path / "relay.toml"
    file.write_text('mongo = "mongodb://127.0.0.1:1"\ndatabase = "shop"\n[kafka]\nbootstrap.servers = "127.0.0.1:1"\n')
    return str(file)


Begun = Callable[[Sequence[Any]], object]


def test_a_mongodb_that_is_away_is_waited_for_and_said_so(
    settings: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    relay, said = Beside(settings), list[str]()

    def relay_by(given: Any, stop: threading.Event, *, waits: bool, begun: Begun) -> None:
        assert waits
        said.append(relay.trouble())
        if len(said) < 3:
            raise Unreachable("MongoDB did not answer")
        begun([])
        said.append(relay.trouble())

    monkeypatch.setattr(module, "relay_by", relay_by)
    relay.run(threading.Event())

    assert said == ["", "MongoDB did not answer", "MongoDB did not answer", ""]
    assert "the relay waits: MongoDB did not answer" in caplog.text


def test_what_its_relays_wait_for_is_its_trouble(settings: str) -> None:
    relay, tally = Beside(settings), ReaderTally()
    relay._begun([SimpleNamespace(tally=tally, sink=None)])  # type: ignore[list-item]  # all that is asked of one

    assert relay.trouble() == ""
    tally.trouble = "Kafka did not answer"
    assert relay.trouble() == "Kafka did not answer"


def test_what_does_not_pass_ends_it_with_its_code(
    settings: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def relay_by(*_: object, **__: object) -> None:
        raise TopicMissing("no such topic")

    monkeypatch.setattr(module, "relay_by", relay_by)
    with pytest.raises(SystemExit) as ended:
        Beside(settings).run(threading.Event())

    assert ended.value.code == 4
    assert "relay: no such topic" in capsys.readouterr().err
