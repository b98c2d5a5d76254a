"""Sends a range of history to Kafka once more, beside the relays, whose cursors it leaves alone."""
