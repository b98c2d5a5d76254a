"""A consumer of Kafka that keeps invoices in MongoDB."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Consumer, Message
from pymongo import MongoClient
from pymongo.collection import Collection

client: MongoClient[dict[str, Any]]
invoices: Collection[dict[str, Any]]
consumer: Consumer
record: Message
id: bytes
order_id: str
