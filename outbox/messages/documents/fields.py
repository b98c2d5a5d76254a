"""Makes the schemas of a message class's data: one for the server to enforce, one for people to read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import bson
from mongoengine import EmbeddedDocument, fields  # type: ignore[import-untyped]  # mongoengine ships no types
from mongoengine.errors import ValidationError  # type: ignore[import-untyped]  # as above

from outbox.messages.choices import identity
from outbox.messages.dialects import (
    BSON,
    JSON,
    FieldPath,
    Schema,
    closed,
    dbref,
    geojson,
    point,
    portable_pattern,
)
from outbox.messages.documents.field_classes import CHOOSING, CHOSEN, REFUSED
from outbox.messages.documents.mongoengine_internals import names
from outbox.mongo.codec import DECODED


def bson_schema(cls: type[EmbeddedDocument]) -> Schema:
    """Makes MongoDB's `$jsonSchema` for the `data` of one message class, as the server would give it back.

    Raises InvalidMessageClass: a field that cannot be stored, or a class that contains itself.
    Raises mongoengine's NotRegistered while a class that is named by text is not defined yet.
    """
    path = FieldPath(BSON, cls.__name__)
    try:
        return bson.decode(bson.encode(_document(cls, path), codec_options=DECODED), DECODED)
    except (ValidationError, bson.errors.BSONError, OverflowError, ValueError) as error:
        raise path.error(f"mongoengine or BSON refuses a part of its declaration ({error})") from error


def json_schema(cls: type[EmbeddedDocument]) -> Schema:
    """Makes the JSON Schema 2020-12 of one message class's value on Kafka, for people. Raises as `bson_schema`."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": cls.__name__}
    return {**head, **_document(cls, FieldPath(JSON, cls.__name__))}


def _document(cls: type[EmbeddedDocument], path: FieldPath) -> Schema:
    if cls in path.within:
        raise path.error(
            f"{cls.__name__} contains itself, and MongoDB's $jsonSchema has no recursion: "
            "nest to a fixed depth with classes of their own, or store the part in a DictField"
        )
    if cls._dynamic:
        raise path.error(f"{cls.__name__} is dynamic, so its fields cannot be checked: use EmbeddedDocument")
    inside = replace(path, within=(*path.within, cls))
    properties: Schema = {}
    required = []
    if cls._meta.get("allow_inheritance"):
        if path.within:  # inside a message: readers may tell several classes apart by this name
            properties["_cls"] = {"enum": [cls._class_name]}
            required.append("_cls")
        else:  # the type names the message itself; older versions stored `_cls` too
            properties["_cls"] = {}
    for name in (name for name in cls._fields_ordered if name != "_cls"):
        field = cls._fields[name]
        if field.db_field != name and field.db_field in cls._fields:
            # mongoengine mixes up the two when it reads such a document back.
            raise inside.error(f"{name} is stored as {field.db_field!r}, which is another field's name: rename one")
        properties[field.db_field] = _property(field, inside.child(f".{name}"))
        if field.required:
            required.append(field.db_field)
    return closed(path.dialect, properties, required)


def _property(field: Any, path: FieldPath) -> Schema:
    schema = _value(field, path)
    if field.null and not field.required:
        schema = path.dialect.nullable(schema)
    text = getattr(field, "help_text", None)
    return {**schema, "description": str(text)} if path.dialect.people and text else schema


def _value(field: Any, path: FieldPath) -> Schema:
    """Makes the schema of a value that is not null: only a whole attribute may be null, never an item of a list."""
    for base in type(field).__mro__:
        if base in REFUSED:
            raise path.error(f"a {type(field).__name__} cannot be in a message: it {REFUSED[base]}")
        if base not in STORED:
            continue
        if any(getattr(type(field), way) is not getattr(base, way) for way in ("to_mongo", "to_python")):
            raise path.error(
                f"{type(field).__name__} changes how {base.__name__} stores a value, so its schema is not known"
            )
        schema = STORED[base](field, path)
        if not field.choices or base in CHOOSING:
            return schema
        if not issubclass(base, CHOSEN):
            raise path.error(f"the server cannot check choices on a {base.__name__}: drop them")
        return _chosen(field, schema, path)
    raise path.error(f"{type(field).__name__} is not a field of mongoengine")


def _chosen(field: Any, schema: Schema, path: FieldPath) -> Schema:
    """Narrows a schema to the field's choices; those of a list are for its items, as in mongoengine."""
    choices = list(field.choices)
    if isinstance(choices[0], (list, tuple)):
        choices = [value for value, _label in choices]
    if isinstance(field, fields.ListField):
        items = schema.get("items", {})
        if not isinstance(field.field, (type(None), *CHOSEN)) or isinstance(field.field, fields.ListField):
            raise path.error("mongoengine cannot check choices on a list of documents or lists: drop them")
        stored = choices if field.field is None else _stored(field.field, choices, path)
        chosen = path.dialect.enum(stored)
        if "enum" in items:
            of_items = {identity(value) for value in items["enum"]}
            chosen = {"enum": [value for value in chosen["enum"] if identity(value) in of_items]}
        if not chosen["enum"]:
            raise path.error("none of the list's choices is among its items' choices, so no item could be stored")
        return {**schema, "items": {**items, **chosen}}
    return {**schema, **path.dialect.enum(_stored(field, choices, path))}


def _stored(field: Any, values: list[Any], path: FieldPath) -> list[Any]:
    try:
        return [field.to_mongo(value) for value in values]
    except (ValidationError, TypeError, ValueError, ArithmeticError) as error:
        raise path.error(f"a choice cannot be stored in this field ({error})") from error


def _leaf(kind: str) -> Callable[[Any, FieldPath], Schema]:
    return lambda field, path: path.dialect.scalar(kind)


def _string(field: Any, path: FieldPath) -> Schema:
    schema = path.dialect.scalar("string")
    if field.min_length is not None:
        schema["minLength"] = field.min_length
    if field.max_length is not None:
        schema["maxLength"] = field.max_length
    pattern = None if field.regex is None else portable_pattern(field.regex)
    return schema if pattern is None else {**schema, "pattern": pattern}


def _number(kind: str, bound: Callable[[Any], Any]) -> Callable[[Any, FieldPath], Schema]:
    def build(field: Any, path: FieldPath) -> Schema:
        schema = path.dialect.scalar(kind)
        if kind in path.dialect.bounded:
            if field.min_value is not None:
                schema["minimum"] = bound(field.min_value)
            if field.max_value is not None:
                schema["maximum"] = bound(field.max_value)
        return schema

    return build


def _decimal(field: Any, path: FieldPath) -> Schema:
    if field.force_string:
        return {**path.dialect.scalar("string"), "pattern": r"^-?[0-9]+(\.[0-9]+)?(E-[0-9]+)?$"}
    return _number("number", float)(field, path)


def _complex_datetime(field: Any, path: FieldPath) -> Schema:
    digits = re.escape(field.separator).join(["[0-9]{1,4}", *["[0-9]{2}"] * 5, "[0-9]{6}"])
    return {**path.dialect.scalar("string"), "pattern": f"^{digits}$"}


def _uuid(field: Any, path: FieldPath) -> Schema:
    canonical = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
    return path.dialect.scalar("uuid") if field._binary else {**path.dialect.scalar("string"), "pattern": canonical}


def _enum(field: Any, path: FieldPath) -> Schema:
    return path.dialect.enum(member.value for member in field.choices)


def _list(field: Any, path: FieldPath) -> Schema:
    schema = path.dialect.scalar("array")
    if field.required:
        schema["minItems"] = 1
    if field.max_length is not None:
        schema["maxItems"] = field.max_length
    return schema if field.field is None else {**schema, "items": _value(field.field, path.child("[]"))}


def _dict(field: Any, path: FieldPath) -> Schema:
    schema = {**path.dialect.scalar("object"), "patternProperties": {"^[$]": {"not": {}}}}
    if field.required:
        schema["minProperties"] = 1
    return schema if field.field is None else {**schema, "additionalProperties": _value(field.field, path.child("{}"))}


def _family(cls: type[EmbeddedDocument]) -> Iterator[type[EmbeddedDocument]]:
    if not cls._meta.get("abstract"):
        yield cls
    for child in cls.__subclasses__():
        yield from _family(child)


def _embedded(field: Any, path: FieldPath) -> Schema:
    declared = field.document_type
    choices = (declared,) if not field.choices else tuple(field.choices)
    members = [member for member in dict.fromkeys(_family(declared)) if issubclass(member, choices)]
    if members == [declared]:
        return _document(declared, path)
    return _any_of(members, path)


def _generic_embedded(field: Any, path: FieldPath) -> Schema:
    if not field.choices:
        name = {"_cls": path.dialect.scalar("string")}
        return {**path.dialect.scalar("object"), "properties": name, "required": ["_cls"]}
    if not all(isinstance(choice, type) and issubclass(choice, EmbeddedDocument) for choice in field.choices):
        raise path.error("its choices must be EmbeddedDocument classes")
    members = dict.fromkeys(member for choice in field.choices for member in _family(choice))
    return _any_of(list(members), path, add_name=True)


def _any_of(members: list[type[EmbeddedDocument]], path: FieldPath, *, add_name: bool = False) -> Schema:
    if not members:
        raise path.error("no class that is not abstract can stand here")
    return {"anyOf": [_named(member, path, add_name=add_name) for member in members]}


def _named(cls: type[EmbeddedDocument], path: FieldPath, *, add_name: bool) -> Schema:
    """Makes the schema of one of several classes that a field takes: readers tell them apart by `_cls`."""
    schema = _document(cls, path)
    if names().document_class(cls._class_name) is not cls:
        raise path.error(f"two classes are called {cls._class_name}, so a reader could not tell them apart: rename")
    if "_cls" in schema["properties"]:
        return schema
    if not add_name:
        raise path.error(
            f"{cls.__name__} is stored without its name, so a reader could not tell it apart: "
            "give it meta = {'allow_inheritance': True}"
        )
    properties = {**schema["properties"], "_cls": {"enum": [cls._class_name]}}
    return {**schema, "properties": properties, "required": [*schema.get("required", []), "_cls"]}


def _reference(field: Any, path: FieldPath) -> Schema:
    target = field.document_type
    if target._meta.get("abstract"):
        # It is stored with its class, and the ids of two classes may be of two types.
        return dbref(path.dialect, path.dialect.scalar("any"))
    identity = _value(target._fields[target._meta["id_field"]], path.child(".pk"))
    return dbref(path.dialect, identity) if field.dbref else identity


def _generic_reference(field: Any, path: FieldPath) -> Schema:
    name: Schema = path.dialect.enum(field.choices) if field.choices else path.dialect.scalar("string")
    reference = dbref(path.dialect, path.dialect.scalar("any"))
    return closed(path.dialect, {"_cls": name, "_ref": reference}, required=["_cls", "_ref"])


def _geojson(name: str, depth: int) -> Callable[[Any, FieldPath], Schema]:
    return lambda field, path: geojson(path.dialect, name, depth)


STORED: dict[type, Callable[[Any, FieldPath], Schema]] = {
    **dict.fromkeys((fields.StringField, fields.EmailField), _string),
    fields.URLField: _leaf("string"),
    **dict.fromkeys(names().integers, _number("int", lambda bound: bound)),
    fields.FloatField: _number("number", float),
    fields.DecimalField: _decimal,
    fields.Decimal128Field: _number("decimal", lambda bound: bson.Decimal128(str(bound))),
    fields.BooleanField: _leaf("bool"),
    **dict.fromkeys((fields.DateTimeField, fields.DateField), _leaf("date")),
    fields.ComplexDateTimeField: _complex_datetime,
    fields.ObjectIdField: _leaf("objectId"),
    fields.UUIDField: _uuid,
    fields.BinaryField: _leaf("binary"),
    fields.EnumField: _enum,
    fields.DynamicField: _leaf("any"),
    **dict.fromkeys((fields.ListField, fields.SortedListField, fields.EmbeddedDocumentListField), _list),
    **dict.fromkeys((fields.DictField, fields.MapField), _dict),
    fields.EmbeddedDocumentField: _embedded,
    fields.GenericEmbeddedDocumentField: _generic_embedded,
    **dict.fromkeys((fields.ReferenceField, fields.LazyReferenceField), _reference),
    **dict.fromkeys((fields.GenericReferenceField, fields.GenericLazyReferenceField), _generic_reference),
    fields.GeoPointField: lambda field, path: point(path.dialect),
    fields.PointField: _geojson("Point", 0),
    fields.LineStringField: _geojson("LineString", 1),
    fields.PolygonField: _geojson("Polygon", 2),
    fields.MultiPointField: _geojson("MultiPoint", 1),
    fields.MultiLineStringField: _geojson("MultiLineString", 2),
    fields.MultiPolygonField: _geojson("MultiPolygon", 3),
}
"""Every field class a message can have, and what its stored value looks like."""
