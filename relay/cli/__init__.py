"""The command `relay`."""


def main() -> None:
    """The script `relay`."""
    from relay.cli.app import main as run  # here: what other modules of this room need, they name

    run()
