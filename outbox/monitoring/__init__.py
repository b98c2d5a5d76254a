"""What an operator is shown or told of an outbox."""
