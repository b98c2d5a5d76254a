"""What the pages take for granted; tests/acceptance/test_blocks.py checks the code of each page below one of these."""
