"""The servers and processes of the tests of faults and of the acceptance tests."""

from tests.faults.conftest import _far, far, far_service, far_topic, ledger, ledger_topic, service, start

__all__ = ["_far", "far", "far_service", "far_topic", "ledger", "ledger_topic", "service", "start"]
