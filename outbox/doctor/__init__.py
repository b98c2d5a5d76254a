"""Looks at an outbox as a visitor would: what is wrong, why it matters, and the command that mends it."""
