"""Has the command `outbox`."""
