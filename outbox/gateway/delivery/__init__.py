"""Registered consumers and live ones: what is given to a client, and what it has acknowledged."""
