"""Removing what has its time behind it, and saying first what that is."""
