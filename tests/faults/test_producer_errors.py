"""A broker that tells the relay's producer that it is finished."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.process import Process
from tests.faults.conftest import Far
from tests.faults.service import Service
from tests.servers import produce_fault
from tests.servers.produce_fault import ProduceFault
from tests.servers.proxy import Traffic
from tests.waiting import wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240)]


@pytest.fixture
def fault(far: Far) -> Iterator[ProduceFault]:
    fault = ProduceFault()
    far.network.traffic = fault.traffic
    yield fault
    far.network.traffic = Traffic


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(produce_fault.OUT_OF_ORDER_SEQUENCE_NUMBER, id="out of order"),
        pytest.param(produce_fault.INVALID_PRODUCER_EPOCH, id="old epoch"),
        pytest.param(produce_fault.PRODUCER_FENCED, id="fenced"),
    ],
)
def test_a_producer_that_is_finished_is_made_anew_and_goes_on_from_the_cursor(
    far_service: Service, far: Far, fault: ProduceFault, code: int
) -> None:
    """Goes red when a failed producer is not rebuilt, or the reader not moved back to what was acknowledged."""
    relay, faults = ridden_out(far_service, far, fault, code)

    assert "Fatal error" in relay.said(), "the producer was not finished at all"
    assert faults == []


def test_a_producer_that_the_broker_has_forgotten_goes_on(far_service: Service, far: Far, fault: ProduceFault) -> None:
    _, faults = ridden_out(far_service, far, fault, produce_fault.UNKNOWN_PRODUCER_ID)

    assert faults == []


def ridden_out(service: Service, far: Far, fault: ProduceFault, code: int) -> tuple[Process, list[str]]:
    """A relay that met the error at work, and what is wrong with what it delivered in all."""
    service.write()
    relay = service.relay(lease=10, kafka=far.network.address)
    service.wait_until_delivered(100)
    fault.refuse_with(code)
    wait_until(lambda: fault.refused, 60, "a request to be refused")
    service.wait_until_delivered(100)
    written = service.finish()
    relay.stop()
    return relay, service.ledger.faults(written, service.topic.records())
