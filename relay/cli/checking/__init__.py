"""Commands that look for what is wrong, and change nothing."""
