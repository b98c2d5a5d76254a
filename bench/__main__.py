"""`python -m bench`."""

# The benchmarks start processes, and each of those imports this module again: it must not load the command line there.
if __name__ == "__main__":
    from bench.cli import app

    app(prog_name="python -m bench")
