"""How the records of a chunk become the bytes of a file, and back."""
