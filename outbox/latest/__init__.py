"""Latest by key: a view of the newest record of each compaction id, and the durable reader that keeps it."""
