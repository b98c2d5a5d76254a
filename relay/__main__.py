"""`python -m relay` is the command `relay`."""

from relay.cli.app import main

if __name__ == "__main__":
    main()
