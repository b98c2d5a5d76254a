"""The command `outbox`."""


def main() -> None:
    """Runs the script `outbox`."""
    from outbox.cli.app import main as run  # here, so that to import one module of this room does not load all commands

    run()
