"""Reading the log in this process."""
