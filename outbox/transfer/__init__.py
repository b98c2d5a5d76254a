"""From one outbox to another: messages as lines of text, out and in, and continuously."""
