"""Counts of what this process does with an outbox."""
