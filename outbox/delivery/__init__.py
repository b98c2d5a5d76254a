"""A durable reader at work: from the log to a sink, over ports, and the cursor after what was delivered."""
