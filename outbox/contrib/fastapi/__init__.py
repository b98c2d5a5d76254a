"""Fits the outbox into FastAPI: a transaction for each request, and consumers that live as long as the application."""

from outbox.contrib.fastapi.lifespan import lifespan
from outbox.contrib.fastapi.transaction import transaction

__all__ = ["lifespan", "transaction"]
