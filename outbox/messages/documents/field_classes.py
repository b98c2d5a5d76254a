"""Lists mongoengine's field classes: those that a message cannot have, and what choices mean on the others."""

from __future__ import annotations

from mongoengine import fields  # type: ignore[import-untyped]  # mongoengine ships no types
from mongoengine.base import BaseField, ComplexBaseField  # type: ignore[import-untyped]  # as above

from outbox.messages.documents.mongoengine_internals import names

REFUSED: dict[type, str] = {
    **dict.fromkeys((fields.FileField, fields.ImageField), "keeps its bytes in GridFS, outside the message"),
    fields.SequenceField: "draws numbers from another collection, outside the transaction",
    fields.CachedReferenceField: "copies another document's fields behind the message's back",
    fields.GeoJsonBaseField: "is only the base of the GeoJSON fields",
    ComplexBaseField: "is only the base of the list and dict fields",
    BaseField: "says nothing about what it stores: derive the field from one that does",
}
"""The field classes a message cannot have, and why."""

CHOSEN = (
    *(fields.StringField, *names().integers, fields.FloatField, fields.DecimalField, fields.Decimal128Field),
    *(fields.BooleanField, fields.DateTimeField, fields.ObjectIdField, fields.UUIDField, fields.BinaryField),
    *(fields.DynamicField, fields.ListField),
)
"""The field classes whose choices are values, which `enum` can hold."""

CHOOSING = (
    *(fields.EnumField, fields.EmbeddedDocumentField, fields.GenericEmbeddedDocumentField),
    *(fields.GenericReferenceField, fields.GenericLazyReferenceField),
)
"""Field classes whose choices are classes or enum members: their schema has these already."""
