"""A shop on Django and MongoDB."""
