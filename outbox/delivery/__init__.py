"""Durable readers at work: they send the log's records to a sink, and save the cursor behind what was delivered."""
