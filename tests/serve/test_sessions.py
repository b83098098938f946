"""Who is signed in and for how long: cookies played back, tokens taken back, guessing."""

import pytest

from evaluation.serve.tokens import issue, revoke
from tests.serve.conftest import DAY, Browser, Clock, fields


def test_a_cookie_is_worth_nothing_after_signing_out(jail, site):
    cookie = jail.client.cookies["session"]
    assert jail.post("/sign-out", {"csrf": jail.csrf()}).status_code == 303
    assert "session" not in jail.client.cookies
    jail.client.cookies.set("session", cookie)
    answer = jail.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?ended")
    assert jail.raw(fields(csrf="x")).status_code == 303


def test_signing_in_gives_a_new_session_and_ends_the_old(jail, site):
    old = jail.client.cookies["session"]
    jail.sign_in(site.tokens["court"])
    assert jail.client.cookies["session"] != old
    other = Browser(site)
    other.client.cookies.set("session", old)
    assert other.get("/").status_code == 303


def test_a_cookie_of_ones_own_making_is_not_taken(site):
    browser = Browser(site)
    browser.client.cookies.set("session", "a" * 43)
    assert browser.get("/").status_code == 303
    given = browser.sign_in(site.tokens["jail"]).cookies["session"]
    assert given != "a" * 43


def test_sessions_end_by_themselves(page):
    clock = Clock()
    site = page(clock)
    browser = Browser(site)
    browser.sign_in(site.tokens["jail"])
    clock.now += 29 * 60
    assert browser.get("/").status_code == 200
    clock.now += 31 * 60
    assert browser.get("/").status_code == 303
    browser.sign_in(site.tokens["jail"])
    for _ in range(19):
        clock.now += 25 * 60
        assert browser.get("/").status_code == 200
    clock.now += 25 * 60
    assert browser.get("/").status_code == 303


@pytest.mark.parametrize("limit", ["sessions", "sessions_by_agency"])
def test_there_are_only_so_many_sessions(page, limit):
    site = page(**{limit: 2})
    browsers = [Browser(site) for _ in range(3)]
    for browser in browsers:
        browser.sign_in(site.tokens["jail"])
    assert [b.get("/history").status_code for b in browsers] == [303, 200, 200]


def test_a_token_taken_back_or_expired_signs_out(jail, site):
    store = site.settings.store
    assert jail.get("/history").status_code == 200
    revoke(store, "jail", site.agencies()["jail"].tokens[0].name)
    assert jail.get("/history").status_code == 303
    assert jail.sign_in(site.tokens["jail"]).status_code == 403
    text, token = issue(store, "jail", DAY, 1)
    assert jail.sign_in(text).status_code == 303
    object.__setattr__(site.settings, "now", lambda: f"{token.expires}T23:59:59Z")
    assert jail.get("/history").status_code == 200
    object.__setattr__(site.settings, "now", lambda: "2026-02-03T00:00:00Z")
    assert jail.get("/history").status_code == 303
    assert jail.sign_in(text).status_code == 403


def test_guessing_is_stopped(page):
    clock = Clock()
    site = page(clock)
    browser = Browser(site)
    for _ in range(5):
        assert browser.sign_in("guess").status_code == 403
    answer = browser.sign_in("another guess")
    assert answer.status_code == 429
    assert 890 <= int(answer.headers["retry-after"]) <= 901
    assert "Try again in 1" in answer.text
    assert browser.sign_in(site.tokens["jail"]).status_code == 303  # who knows a token does not guess
    assert browser.sign_in("guess").status_code == 429
    clock.now += 901
    assert browser.sign_in("guess").status_code == 403


def test_guessing_from_many_places_is_stopped_and_takes_no_memory(page):
    clock = Clock()
    site = page(clock, wrong_by_all=50)
    for n in range(500):
        if not site.wrong.wait(f"10.0.{n // 250}.{n % 250}"):
            site.wrong.count(f"10.0.{n // 250}.{n % 250}")
    assert site.wrong.wait("192.0.2.1") > 0
    assert len(site.wrong._tries) == 50
    clock.now += 901
    assert site.wrong.wait("192.0.2.1") == 0


def test_a_household_of_addresses_is_one(page):
    site = page()
    for n in range(5):
        site.wrong.count(f"2001:db8:0:1::{n}")
    assert site.wrong.wait("2001:db8:0:1:ffff::1") > 0
    assert site.wrong.wait("2001:db8:0:2::1") == 0
    assert site.wrong.wait("::ffff:192.0.2.1") == 0
