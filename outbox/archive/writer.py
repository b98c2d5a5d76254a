"""Stores chunks so that each is there once, whole and checked, whatever crashes and whoever else writes."""

from __future__ import annotations

from collections.abc import Callable

from outbox.archive import chunk
from outbox.archive.archive import Archive
from outbox.archive.chunk import Draft, sha256
from outbox.archive.manifest import Entry
from outbox.errors import ArchiveDamaged


class AnotherWriterError(Exception):
    """The chunk that was to be stored is there already: another process has stored it. Inside this package only."""


def store_chunk(archive: Archive, draft: Draft, check: Callable[[], None]) -> Entry:
    """Stores a chunk, reads it back, checks it, and only then lets it count. Returns its entry.

    check: raises when this process may not write any more; called just before the chunk counts.

    A file that a crash has left under the chunk's name is taken when it has the same records, and replaced when it has
    not. Raises AnotherWriterError, ArchiveDamaged when what is read back is not what was written, and OSError.
    """
    stored, entry = draft.finish()
    manifest, files = archive.manifest, archive.store
    path = manifest.path(entry)
    try:
        files.create(path, stored)
    except FileExistsError:
        if entry.first in manifest.firsts():
            raise AnotherWriterError from None
        if sha256(files.read(path)) != entry.sha256:
            files.remove(path)
            files.create(path, stored)
    try:
        chunk.check(files.read(path), entry)
    except ArchiveDamaged as damaged:
        files.remove(path)
        raise ArchiveDamaged(
            f"the chunk {path} of {archive.url} was not read back as it was written: {damaged}", path
        ) from damaged
    check()
    try:
        manifest.add(entry)
    except FileExistsError:
        if manifest.entry(entry.first) == entry:  # by this process, whose answer was lost; or the same by another
            return entry
        if manifest.path(manifest.entry(entry.first)) != path:
            files.remove(path)
        raise AnotherWriterError from None
    return entry
