"""Runs the relays of one process, on threads beside what else it does."""
