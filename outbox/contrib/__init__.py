"""Fits the outbox into web frameworks; each is imported when a service asks for it, with the extra of its name."""
