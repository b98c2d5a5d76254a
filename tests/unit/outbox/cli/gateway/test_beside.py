"""What works beside the gateway in one process."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from outbox.cli.gateway.beside import Part, beside, relaying


def test_at_the_end_all_are_told_and_waited_for() -> None:
    ended: list[str] = []

    def part(stop: threading.Event) -> None:
        assert stop.wait(30)
        ended.append(threading.current_thread().name)

    with beside({"archive": Part(part), "relay": Part(part)}, pytest.fail):
        assert ended == []
    assert sorted(ended) == ["outbox-archive", "outbox-relay"]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(4)])
def test_when_one_fails_that_is_told_the_others_end_and_it_is_raised(error: BaseException) -> None:
    failed, ended = threading.Event(), threading.Event()

    def fails(stop: threading.Event) -> None:
        raise error

    def goes_on(stop: threading.Event) -> None:
        assert stop.wait(30)
        ended.set()

    with pytest.raises(type(error)) as raised, beside({"relay": Part(fails), "archive": Part(goes_on)}, failed.set):
        assert failed.wait(5)
    assert raised.value is error
    assert ended.is_set()


def test_settings_of_the_relay_that_are_wrong_end_the_command_before_it_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "relay.toml"
    file.write_text("topics = 1\n")
    with pytest.raises(SystemExit) as ended:
        relaying(file)

    assert ended.value.code == 2
    assert "topics" in capsys.readouterr().err
