"""A mongod of one's own, for tests, demos and a first hour."""

from outbox.embedded.mongo import EmbeddedMongo

__all__ = ["EmbeddedMongo"]
