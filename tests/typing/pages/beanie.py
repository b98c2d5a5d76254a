"""A service with Beanie."""

from __future__ import annotations

from beanie import Document, PydanticObjectId, init_beanie
from pydantic import BaseModel
from pymongo import AsyncMongoClient

from outbox import AsyncOutbox, message

__all__ = ["AsyncMongoClient", "AsyncOutbox", "BaseModel", "Document", "PydanticObjectId", "init_beanie", "message"]
