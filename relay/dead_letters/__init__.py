"""What a relay has put aside."""
