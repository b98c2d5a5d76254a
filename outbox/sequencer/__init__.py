"""From staging to the log: one process at a time, fenced by the server."""
