"""Keeps servers of HTTP free of clients that hold what others need."""
