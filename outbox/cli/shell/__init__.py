"""What a command line owes the shell it is called from: a quick start, lost output, signals, completion."""
