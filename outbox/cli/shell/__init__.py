"""What a command line owes the shell it is called from: lost output, signals, completion."""
