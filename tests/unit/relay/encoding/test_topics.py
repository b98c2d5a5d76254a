"""Topic templates."""

from __future__ import annotations

import pytest

from outbox.messages.json_value import Unencodable
from relay.encoding.topics import Topics
from relay.errors import InvalidSettings


@pytest.mark.parametrize(
    ("template", "topic"),
    [
        ("{type}", "order.placed"),
        ("{database}.{outbox}.{type}", "shop.orders.order.placed"),
        ("all", "all"),
    ],
)
def test_a_template_names_the_topic(template: str, topic: str) -> None:
    assert Topics(template).name("order.placed", outbox="orders", database="shop") == topic


NO_TEMPLATES = [
    "{keys}", "{header}", "{header.}", "{}", "{0}", "{type!r}", "{type:>9}", "{type.__class__}", "{type[0]}",
    "{type:{outbox}}", "{type", "}",
]  # fmt: skip


@pytest.mark.parametrize("template", NO_TEMPLATES)
def test_a_template_with_anything_else_in_braces_is_refused(template: str) -> None:
    with pytest.raises(InvalidSettings, match="topic template"):
        Topics(template)


@pytest.mark.parametrize("template", ["", ".", "..", "a b", "{{type}}", "ü", "a" * 250, "{type}\n", "../{type}"])
def test_a_name_that_kafka_would_not_take_is_refused(template: str) -> None:
    with pytest.raises(InvalidSettings, match="a topic is"):
        Topics(template).name("order", outbox="o", database="d")


def test_doubled_braces_are_braces() -> None:
    with pytest.raises(InvalidSettings, match=r"gives '\{type\}'"):
        Topics("{{type}}").name("order", outbox="o", database="d")


@pytest.mark.parametrize("type", ["..", "../../etc", "a/b", "{database}", "{type.__class__}", "t" * 250, "a b", "a\0"])
def test_a_type_that_is_no_type_name_names_no_topic(type: str) -> None:
    """Only a writer past the validator has one; braces in it are not looked at again."""
    with pytest.raises(InvalidSettings, match="a topic is"):
        Topics("{type}").name(type, outbox="o", database="d")


KEYED = {"key": "42", "headers": {"tenant": "acme"}, "outbox": "orders", "database": "shop"}


@pytest.mark.parametrize(
    ("template", "topic"),
    [
        ("{aggregate}", "order.line"),
        ("{header.tenant}.{aggregate}.{key}", "acme.order.line.42"),
        ("{key}", "42"),
    ],
)
def test_a_template_may_have_the_aggregate_the_key_and_headers(template: str, topic: str) -> None:
    assert Topics(template).name("order.line.added", **KEYED) == topic  # type: ignore[arg-type]  # mixed, for short


def test_the_aggregate_of_a_type_without_a_dot_is_the_type() -> None:
    assert Topics("{aggregate}").name("order", outbox="o", database="d") == "order"


def test_a_table_of_types_goes_before_the_template() -> None:
    topics = Topics("rest", {"order.placed": "placed.{database}"})

    assert [topics.name(type, outbox="o", database="shop") for type in ("order.placed", "x")] == ["placed.shop", "rest"]


def test_it_is_known_which_topics_depend_on_more_than_the_type() -> None:
    topics = Topics("{type}", {"a": "{key}"})

    assert (topics.is_fixed("a"), topics.is_fixed("b"), topics.are_fixed) == (False, True, False)
    assert Topics("{aggregate}.{outbox}").are_fixed


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{key}", "it has no key, which its topic"),
        ("{header.x}", "it has no header 'x'"),
        ("a {header.y}", "a topic is 1 to 249"),
    ],
)
def test_a_message_that_its_topic_cannot_be_named_by_is_the_one_at_fault(template: str, says: str) -> None:
    with pytest.raises(Unencodable, match=says):
        Topics(template).name("order", outbox="o", database="d", headers={"y": "1"})
