"""All of history in files: chunks of records in a folder or an object store, read without any server."""

from outbox.archive.archive import Archive, Found

__all__ = ["Archive", "Found"]
