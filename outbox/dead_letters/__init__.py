"""Messages that were put aside instead of being lost."""
