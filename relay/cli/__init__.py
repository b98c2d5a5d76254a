"""The command `relay`."""


def main() -> None:
    """Runs the script `relay`."""
    from relay.cli.app import main as run  # here, so that to import one module of this room does not load all commands

    run()
