"""The calls of the gateway: each reads what is asked, does it, and answers."""
