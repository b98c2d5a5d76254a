"""The keys of an outbox divided among processes."""
