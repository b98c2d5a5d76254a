"""What the outbox and the relay cost beside the bare drivers doing the same bytes. `python -m bench --help`."""
