"""What operators do by hand to durable readers and their dead letters, and the log of it."""
