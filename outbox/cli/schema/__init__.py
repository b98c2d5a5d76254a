"""The commands that show and compare the schemas of messages."""
