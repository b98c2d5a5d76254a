"""The commands that make an outbox, look into its log, and number it."""
