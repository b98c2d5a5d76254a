"""A shop on Django."""

from __future__ import annotations

from typing import Any

from django.db import models
from mongoengine import EmbeddedDocument, StringField

from outbox import Record, message


class Order(models.Model):
    number = models.CharField(max_length=20)


@message("order.placed", key="number")
class OrderPlaced(EmbeddedDocument):
    number = StringField(required=True)


def bill(record: Record[Any]) -> None: ...
