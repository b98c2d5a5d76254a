"""Threads that work on after the main one has ended, and what they are told when the program ends."""
