"""The names of pydantic are where they were. Red means: find where they are, in `pydantic_internals`."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, PrivateAttr, field_serializer

from outbox.messages.models.pydantic_internals import built, is_complete, serializers
from tests.doubles.changed_library import run_after


class Built(BaseModel):
    a: int
    _b: int = PrivateAttr(default=3)

    @field_serializer("a")
    def _shown(self, value: int) -> str:
        return str(value)


def test_an_instance_that_is_built_equals_one_that_was_validated() -> None:
    one = built(Built, {"a": 1}, {"a"}, None)

    assert one == Built(a=1)
    assert isinstance(one, Built)
    assert (one._b, one.model_fields_set) == (3, {"a"})
    assert one.model_copy(update={"a": 2}).a == 2


def test_serializers_are_found() -> None:
    assert list(serializers(Built)) == [("_shown", "a")]
    assert is_complete(Built)


DECLARE = """
import outbox
from pydantic import BaseModel
outbox.message("late")(type("Late", (BaseModel,), {}))
"""


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("import pydantic; pydantic.VERSION = '2.6.4'", "pydantic 2.6.4 is too old for message classes: install"),
        ("import pydantic; pydantic.VERSION = '1.10.2'", "pydantic 1.10.2 is too old for message classes: install"),
        (
            "from pydantic import BaseModel; del BaseModel.__pydantic_private__",
            "mongo-outbox relies on: install an older pydantic, or a newer mongo-outbox",
        ),
    ],
)
def test_a_pydantic_that_lacks_a_name_is_an_error_that_says_what_to_install(change: str, line: str) -> None:
    done = run_after(change, DECLARE)

    assert done.returncode == 1
    assert line in done.stderr.splitlines()[-1]


def test_such_a_pydantic_is_in_nobody_else_s_way() -> None:
    done = run_after(
        "import pydantic; pydantic.VERSION = '1.10.2'",
        "import outbox; from mongoengine import EmbeddedDocument\n"
        "outbox.message('late')(type(EmbeddedDocument)('Late', (EmbeddedDocument,), {})); print('declared')",
    )

    assert (done.stdout, done.stderr) == ("declared\n", "")
