"""The commands of the gateway: serving it, and saying who may call."""
