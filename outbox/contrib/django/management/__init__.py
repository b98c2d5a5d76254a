"""Holds what Django looks for here: the commands of manage.py."""
