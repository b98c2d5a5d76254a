"""The writer in C, which checks a message and makes its BSON in one pass, and the layouts that it goes by."""
