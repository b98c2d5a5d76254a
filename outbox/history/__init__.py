"""Archive, log and what comes, read as one sequence."""
