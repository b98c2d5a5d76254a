"""The command `outbox`."""


def main() -> None:
    """The script `outbox`."""
    from outbox.cli.app import main as run  # here: what other modules of this room need, they name

    run()
