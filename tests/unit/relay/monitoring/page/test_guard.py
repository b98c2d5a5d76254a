"""Who may do what with the page."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import Response

from relay.monitoring.page.guard import Guard, Refused

TOKEN = "0123456789abcdef-token"


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/page/acts", "headers": raw, "query_string": b""})


def allowed(guard: Guard, **other: str | None) -> Request:
    """A request that may act, but for what is given otherwise."""
    session = "a-session"
    headers: dict[str, str | None] = {
        "host": "ops.example:9464",
        "origin": "http://ops.example:9464",
        "authorization": f"Bearer {TOKEN}",
        "cookie": f"{guard.cookie}={session}",
        "x_csrf_token": guard.csrf_of(session),
        "content_type": "application/json",
        **other,
    }
    return request(**{name: value for name, value in headers.items() if value is not None})


@pytest.fixture
def guard() -> Guard:
    return Guard("0.0.0.0", TOKEN)  # as in a container


def test_with_all_of_it_one_may_act(guard: Guard) -> None:
    guard.check_act(allowed(guard))


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"authorization": None}, "no_token"),
        ({"authorization": f"Bearer {TOKEN}x"}, "no_token"),
        ({"authorization": f"Basic {TOKEN}"}, "no_token"),
        ({"authorization": "Bearer "}, "no_token"),
        ({"authorization": "Bearer \u00fc"}, "no_token"),
        ({"origin": None}, "wrong_origin"),
        ({"origin": "null"}, "wrong_origin"),
        ({"origin": "http://["}, "wrong_origin"),
        ({"origin": "http://evil.example"}, "wrong_origin"),
        ({"origin": "http://ops.example:9465"}, "wrong_origin"),
        ({"x_csrf_token": None}, "no_csrf_token"),
        ({"x_csrf_token": "0" * 64}, "no_csrf_token"),
        ({"cookie": None}, "no_csrf_token"),
        ({"cookie": "another=a-session"}, "no_csrf_token"),
        ({"content_type": "text/plain"}, "not_json"),
        ({"content_type": None}, "not_json"),
    ],
)
def test_without_one_of_it_one_may_not(guard: Guard, other: dict[str, str | None], error: str) -> None:
    with pytest.raises(Refused) as refused:
        guard.check_act(allowed(guard, **other))

    assert refused.value.error == error


def test_a_csrf_token_goes_with_its_cookie_and_its_process(guard: Guard) -> None:
    assert guard.csrf_of("one") != guard.csrf_of("another")
    assert guard.csrf_of("one") != Guard("0.0.0.0", TOKEN).csrf_of("one")  # as above


def test_a_second_tab_leaves_the_first_one_its_token(guard: Guard) -> None:
    first = guard.session(request(), answer := Response())
    cookie = answer.headers["set-cookie"]

    assert guard.session(request(cookie=cookie.partition(";")[0]), Response()) == first
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


def test_without_a_token_in_the_settings_nobody_may_act() -> None:
    guard = Guard("127.0.0.1", None)

    for given in ("Bearer ", "Bearer None", ""):
        with pytest.raises(Refused, match="--page-token"):
            guard.check_act(allowed(guard, authorization=given))


@pytest.mark.parametrize("given", ["Bearer ", "Bearer None", ""])
def test_without_a_token_in_the_settings_nobody_elsewhere_sees_messages(given: str) -> None:
    assert not Guard("0.0.0.0", None).shows_messages(request(authorization=given))


@pytest.mark.parametrize("host", ["127.0.0.1:9464", "localhost:9464", "[::1]:9464", "127.1.2.3"])
def test_on_loopback_messages_are_shown_to_who_asks_by_a_name_of_this_machine(host: str) -> None:
    guard = Guard("127.0.0.1", None)

    guard.check_host(request(host=host))

    assert guard.shows_messages(request(host=host))


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9464", "localhost.evil.example", "", "[", "10.0.0.1"])
def test_a_site_that_gives_its_own_name_this_address_sees_nothing(host: str) -> None:
    with pytest.raises(Refused, match="ask for it by 127.0.0.1"):
        Guard("127.0.0.1", None).check_host(request(host=host))


def test_elsewhere_messages_are_shown_to_those_who_have_the_token(guard: Guard) -> None:
    guard.check_host(request(host="ops.example"))

    assert not guard.shows_messages(request())
    assert guard.shows_messages(request(authorization=f"Bearer {TOKEN}"))
