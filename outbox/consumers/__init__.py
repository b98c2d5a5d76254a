"""Handling messages in this process, with a position that is remembered: durable readers whose target is a function."""
