"""The log: the capped collection, what its documents hold, and what may be appended to it."""
