"""A relay at work."""
