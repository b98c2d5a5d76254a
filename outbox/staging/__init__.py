"""Where a put lands: its document, its validator, and the insert."""
