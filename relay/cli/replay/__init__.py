"""The command `relay replay`: what it is given, and what it shows."""
