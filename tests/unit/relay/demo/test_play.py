"""The frame of the demo: what ends it, and that it is taken down whole."""

from __future__ import annotations

import signal

import pytest

from relay.demo.play import Stage, _cleanup_stack, _commands_to_look


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_unwinds_the_stack_and_a_second_one_does_not_interrupt_that(number: signal.Signals) -> None:
    removed: list[str] = []

    def remove() -> None:
        signal.raise_signal(number)
        removed.append("server")

    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]

    with pytest.raises(KeyboardInterrupt), _cleanup_stack() as stack:  # noqa: PT012  # the signal is sent inside
        stack.callback(remove)
        signal.raise_signal(number)

    assert removed == ["server"]
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_commands_to_look_with_do_not_show_an_address_of_the_users() -> None:
    stage = Stage("mongodb://ann:secret@h", "shop", "localhost:9092", "shop.outbox", own_mongo=False, own_kafka=False)

    assert "secret" not in _commands_to_look(stage)
    assert "kcat -b localhost:9092 -t shop.outbox" in _commands_to_look(stage)
