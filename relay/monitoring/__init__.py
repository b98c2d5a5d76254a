"""What an operator is shown of a relay."""
