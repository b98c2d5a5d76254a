"""An outbox that is reached through its gateway; needs the extra `remote`. Made by `outbox.remote`."""
