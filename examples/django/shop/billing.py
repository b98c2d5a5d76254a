"""Makes a bill for each order that was placed."""

from outbox import Record

from .models import Bill
from .orders import OrderPlaced, orders


def bill(record: Record[OrderPlaced]) -> None:
    """It may see a message twice, and makes one bill all the same."""
    placed = record.message
    assert placed is not None
    Bill.objects.update_or_create(order=placed.number, defaults={"total": placed.total})


def billing() -> None:
    """Runs until the outbox is closed."""
    orders.outbox.consumer("billing", types=[OrderPlaced]).run(bill)
