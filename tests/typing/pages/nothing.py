"""Nothing: the page has all that it needs."""
