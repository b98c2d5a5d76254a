"""The command `relay health`."""

from __future__ import annotations

from outbox import Outbox
from tests.actors.relay_command import RelayCommand
from tests.actors.relay_thread import saved_seq
from tests.waiting import wait_until


def test_health_is_0_while_it_works_and_1_when_it_does_not(relay: RelayCommand, orders: Outbox) -> None:
    before = relay("health")
    process = relay.start("run")
    wait_until(lambda: saved_seq(orders) is not None, 30, "the relay to work")
    during = relay("health")
    process.terminate()
    process.wait(30)
    after = relay("health")

    assert (before.returncode, during.returncode, after.returncode) == (1, 0, 1)
    assert "has ever worked" in before.stderr
    assert "at work" in during.stdout
