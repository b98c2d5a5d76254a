"""States made of an outbox's messages, kept in the transactions that move the reader's position."""
