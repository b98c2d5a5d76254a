"""Topic templates."""

from __future__ import annotations

import pytest

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


@pytest.mark.parametrize(
    "template",
    ["{key}", "{}", "{0}", "{type!r}", "{type:>9}", "{type.__class__}", "{type[0]}", "{type:{outbox}}", "{type", "}"],
)
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
