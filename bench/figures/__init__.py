"""What becomes of the figures: tables, curves, pictures, the archive, and the comparison with other relays."""
