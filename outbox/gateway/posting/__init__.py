"""Messages that clients post: from JSON to a put, once for each key that a client gives."""
