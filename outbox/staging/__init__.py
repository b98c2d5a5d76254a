"""Staging, where a put lands: the document, its validator, and the insert."""
