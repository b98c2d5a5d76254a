"""What `relay demo` shows."""
