"""What was put aside instead of being lost."""
