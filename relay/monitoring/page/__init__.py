"""The page of `relay run --listen`: what an operator sees of the outboxes of a process, and does to them."""
