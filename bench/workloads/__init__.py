"""What is measured: each benchmark, and the catalogue of all."""
