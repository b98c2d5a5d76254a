"""What a benchmark stands on: servers, loads, processes, and the rounds in which two ways are compared."""
