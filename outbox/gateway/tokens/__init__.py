"""Who may call: tokens with a scope, in a file or beside the outbox, hashed."""
