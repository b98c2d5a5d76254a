"""Places orders: each is saved with its message, or neither is."""

from django_mongodb_backend import transaction
from pydantic import BaseModel

from outbox import message
from outbox.contrib.django import DjangoOutbox

from .models import Order


@message("order.placed", key="number")
class OrderPlaced(BaseModel):
    number: str
    total: int


orders = DjangoOutbox(messages=[OrderPlaced])


@transaction.atomic
def place(number: str, total: int) -> None:
    Order.objects.create(number=number, total=total)
    orders.put(OrderPlaced(number=number, total=total))
    if total > 1000:
        raise ValueError("too much for one order")
