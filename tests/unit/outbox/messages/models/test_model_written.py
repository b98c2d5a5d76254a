"""The writer in C takes of a model what is plain, and makes the bytes that Python and pydantic make of it."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import bson
import pytest
from bson import Decimal128, Int64, ObjectId
from bson.codec_options import TypeEncoder, TypeRegistry
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel, computed_field

from outbox import InvalidMessage
from outbox.messages.message_types import MessageTypes
from outbox.messages.models import model as model_module
from outbox.messages.models.kind import ModelKind
from outbox.mongo.codec import DECODED
from tests.unit.outbox.messages.models.declared import model

NOON = datetime(2025, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)


class Level(enum.Enum):
    LOW = "low"
    HIGH = 3


class Part(BaseModel):
    number: int = Field(ge=0, alias="n")
    text: str | None = None
    _hidden: int = 3


class Counted(BaseModel):
    number: int

    @computed_field  # type: ignore[prop-decorator]  # mypy takes no decorator over a property
    @property
    def twice(self) -> int:
        return 2 * self.number


class Open(BaseModel, extra="allow"):
    number: int


class Wrapped(RootModel[list[int]]):
    pass


ANNOTATIONS: list[Any] = [
    str, Annotated[str, Field(min_length=1, max_length=3)], Annotated[str, Field(pattern="^a")], int,
    Annotated[int, Field(ge=-1, lt=3)], Annotated[int, Field(gt=-1, le=3)], Annotated[int, Field(multiple_of=2)], float,
    Annotated[float, Field(gt=0, le=2.5)], Decimal, Annotated[Decimal, Field(gt=0, le=Decimal("2.5"))],
    Annotated[Decimal, Field(multiple_of=Decimal("0.5"))], bool, datetime, date, time, UUID, bytes, ObjectId, Level,
    Literal["a", 3, None], str | None, float | None, int | str, list[int], Annotated[list[str], Field(max_length=2)],
    list[str | None], list[list[float]], set[str], tuple[int, str], dict[str, int], dict[str, Part], Any, Part,
    list[Part], Part | None, Counted, Open, Wrapped, Part | Counted,
]  # fmt: skip
MODELS = [model(each) for each in ANNOTATIONS]

parts = st.builds(Part.model_construct, number=st.integers(-1, 2), text=st.just("a") | st.none())
leaves = st.one_of(
    st.none(), st.text(max_size=4), st.sampled_from(["a", "ab", "\ud800", "a\0", "$a"]),
    st.integers(-(2**70), 2**70), st.integers(-3, 3), st.booleans(), st.floats(), st.floats(0, 3), st.decimals(),
    st.sampled_from([NOON, NOON.replace(tzinfo=None), datetime.min.replace(tzinfo=timezone(timedelta(hours=2)))]),
    st.sampled_from([NOON.astimezone(timezone(timedelta(hours=2))), date(2025, 1, 2), time(1, 2), Int64(3)]),
    st.sampled_from([ObjectId("65a000000000000000000001"), UUID(int=7), b"", b"abc", *Level, object()]),
    st.sampled_from([Decimal("1E-6177"), Decimal("1.10"), Decimal128("1.1"), Decimal128("NaN"), bson.Timestamp(1, 1)]),
    st.sampled_from([Counted(number=1), Open(number=1), Open.model_validate({"number": 1, "b": [2]}), Wrapped([1])]),
    st.just(Part.model_construct()), parts,
)  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=2).map(tuple),
        st.dictionaries(st.sampled_from(["", "a", "$a"]), inner, max_size=2),
    ),
    max_leaves=5,
) | st.one_of(
    st.lists(st.text(max_size=2), max_size=3), st.lists(st.integers(-1, 3)), st.lists(parts, max_size=2),
    st.sets(st.text(max_size=2)), st.lists(st.lists(st.floats())),
)  # fmt: skip


def written(made: Any) -> Any:
    return ModelKind()._form(type(made)).written(made)


@pytest.mark.usefixtures("writer")
@pytest.mark.parametrize("cls", MODELS, ids=map(str, ANNOTATIONS))
@settings(max_examples=40)
@given(value=values)
def test_what_the_writer_takes_is_what_python_makes(cls: Any, value: Any) -> None:
    made = cls.model_construct(f=value)
    found = written(made)

    if found is not None:
        kind = ModelKind()
        data, encoded = kind._encode(kind._form(cls), made, "declared")
        assert found[1] == encoded
        assert bson.encode(dict(found[0]), codec_options=DECODED) == bson.encode(data, codec_options=DECODED)


class _Decimals(TypeEncoder):
    python_type = Decimal

    def transform_python(self, value: Any) -> Decimal128:
        return Decimal128(value)


PLAIN = [
    (str, st.text()), (int, st.integers(-(2**63), 2**63 - 1)), (float, st.floats(-1e300, 1e300)),
    (bool, st.booleans()), (Decimal, st.decimals(-1000, 1000, places=2)), (UUID, st.uuids()), (bytes, st.binary()),
    (datetime, st.datetimes(timezones=st.just(UTC)) | st.datetimes()), (str | None, st.none() | st.text()),
    (list[int], st.lists(st.integers(-10, 10))), (list[Part], st.lists(parts.filter(lambda part: part.number >= 0))),
]  # fmt: skip


@pytest.mark.usefixtures("writer")
@pytest.mark.parametrize(("annotation", "given_"), PLAIN, ids=[str(annotation) for annotation, _ in PLAIN])
@settings(max_examples=40)
@given(data=st.data())
def test_usual_values_are_written_in_c_as_pydantic_dumps_them(
    annotation: Any, given_: Any, data: st.DataObject
) -> None:
    made = model(annotation)(f=data.draw(given_))
    options = DECODED.with_options(type_registry=TypeRegistry([_Decimals()]))

    assert written(made)[1] == bson.encode(made.model_dump(by_alias=True), codec_options=options)


@pytest.mark.usefixtures("writer")
@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Annotated[str, Field(pattern="^a")], "ab"),
        (Annotated[int, Field(multiple_of=2)], 4),
        (Annotated[float, Field(gt=0)], 0.5),
        (Level, Level.HIGH),
        (Literal["a", None], None),
        (date, date(2025, 1, 2)),
        (time, time(1, 2)),
        (int | str, "a"),
        (dict[str, Part], {"a": Part(n=1)}),
        (list[Counted], [Counted(number=1)]),
        (Open, Open.model_validate({"number": 1, "b": 2})),
        (Any, {"a": [1]}),
    ],
)
def test_other_values_are_made_in_python_and_the_rest_of_the_message_is_not(annotation: Any, value: Any) -> None:
    assert written(model(annotation)(f=value)) is not None


@pytest.mark.usefixtures("writer")
def test_a_model_that_has_more_than_its_attributes_is_left_to_python() -> None:
    assert written(Counted(number=1)) is None
    assert written(Open(number=1)) is None


@pytest.mark.parametrize("is_native", [True, False])
def test_an_attribute_that_is_missing_is_an_error_and_not_null(
    monkeypatch: pytest.MonkeyPatch, is_native: bool
) -> None:
    if not is_native:
        monkeypatch.setattr(model_module, "write", None)
    cls = model(str | None)

    assert bson.decode(MessageTypes([cls]).encode(cls(f=None))[2]) == {"f": None}
    with pytest.raises(InvalidMessage, match="f: has no value"):
        MessageTypes([cls]).encode(cls.model_construct())
    listed = model(list[Part])
    with pytest.raises(InvalidMessage, match=r"f\[0\].number: has no value"):
        MessageTypes([listed]).encode(listed.model_construct(f=[Part.model_construct(text="a")]))


def test_what_json_does_not_have_is_refused_whoever_writes() -> None:
    cls = model(Any)

    with pytest.raises(InvalidMessage, match="f.a is NaN, which JSON does not have"):
        MessageTypes([cls]).encode(cls(f={"a": Decimal128("NaN")}))
