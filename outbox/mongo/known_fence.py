"""Finds the highest fence that is known of a lease beside its own document, which may be removed or restored."""

from __future__ import annotations

from pymongo.collection import Collection

from outbox.mongo.codec import Document


def known_fence(leases: Collection[Document], role: str) -> int:
    """Returns the highest fence that was written under this lease elsewhere; 0 when there is none."""
    name, database = leases.name.removesuffix(".leases"), leases.database
    if role == "schema":
        return 0
    if role != "sequencer":
        cursor = database[f"{name}.cursors"].find_one({"_id": role}, {"fence": 1})
        return _whole(cursor)
    newest = database[name].find_one({}, {"fence": 1}, sort=[("_id", -1)])
    known = _whole(newest)
    for info in database.list_collections(filter={"name": name}):
        rule = info["options"].get("validator", {}).get("fence", {})
        known = max(known, _whole({"fence": rule.get("$gte")}))
    return known


def _whole(lease: Document | None) -> int:
    """Returns the fence of a lease's document; 0 without one."""
    fence = None if lease is None else lease.get("fence")
    return fence if isinstance(fence, int) else 0
