"""The commands that take messages out of an outbox, into another one, and away for good."""
