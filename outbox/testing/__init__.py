"""The test kit: an outbox in memory, what was published, and a clock that tests move."""

from outbox.testing.clock import FakeClock
from outbox.testing.factory import OutboxFactory
from outbox.testing.memory_readers import DeadLetter
from outbox.testing.outbox import MemoryOutbox
from outbox.testing.published import assert_published, drain
from outbox.testing.session import MemorySession

__all__ = ["DeadLetter", "FakeClock", "MemoryOutbox", "MemorySession", "OutboxFactory", "assert_published", "drain"]
