"""What the page refuses: strangers, other agencies, forged forms, guessing, floods, odd names. All of it fails closed."""

import re

import pytest

from evaluation.serve.audit import broken
from evaluation.serve.guard import POLICY
from tests import stores
from tests.serve.conftest import HERE, Browser, Clock, accesses, counts, fields, part

PATHS = ("/", "/send", "/templates", "/templates/agency_counts.csv", "/templates/agency_counts.xlsx", "/history",
         "/receipts/2", "/findings", "/findings.csv", "/sign-in", "/page.css", "/icon.svg", "/nowhere", "/receipts/none")  # fmt: skip


def test_no_agency_sees_what_another_sent(jail, court, site):
    assert jail.send(counts()).headers["location"] == "/receipts/2"
    assert jail.get("/receipts/2").status_code == 200
    answer = court.get("/receipts/2")
    assert answer.status_code == 404
    assert answer.text == court.get("/receipts/999").text
    assert "Receipt 2" not in court.get("/history").text
    assert court.get("/findings").status_code == 404
    assert "2025-11" not in court.get("/").text


def test_no_agency_sends_for_another(jail, court, site):
    jail.send(counts())
    court.send(counts(agency="jail"))
    assert "The file was refused" in court.get("/findings").text
    assert court.send(counts(agency="court"), agency="jail").status_code == 400
    assert court.send(counts(agency="court", count="99")).headers["location"] == "/receipts/5"
    rows = site.settings.store.delta("agency_counts").to_pyarrow_table().to_pylist()
    assert sorted((r["_agency"], r["count"]) for r in rows) == [("court", 99), ("jail", 12)]


@pytest.mark.parametrize("csrf", ["", "wrong", "é" * 43])
def test_a_form_without_the_sessions_own_mark_is_refused(jail, site, csrf):
    if csrf:
        assert jail.send(counts(), csrf=csrf).status_code == 403
        assert jail.post("/sign-out", {"csrf": csrf}).status_code in (400, 403)
    else:
        form = fields(table="agency_counts", period="2025-11", do="send") + part("file", counts().encode(), "a.csv")
        assert jail.raw(form).status_code == 403
        assert jail.post("/sign-out", {"csrf": ""}).status_code == 403
    assert jail.get("/").status_code == 200
    assert not site.settings.store.log.entries()


def test_the_mark_of_another_session_is_refused(jail, court, site):
    assert jail.send(counts(), csrf=court.csrf()).status_code == 403
    assert not site.settings.store.log.entries()


def test_the_mark_must_come_before_the_file(jail, site):
    late = part("file", counts().encode(), "a.csv") + fields(csrf=jail.csrf(), table="agency_counts", period="2025-11")
    assert jail.raw(late).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {},
    ],
)
def test_other_sites_cannot_send_forms(site, headers):
    browser = Browser(site)
    del browser.client.headers["sec-fetch-site"]
    for path in ("/sign-in", "/sign-out", "/send"):
        assert browser.post(path, {"token": site.tokens["jail"]}, headers=headers).status_code == 403
    assert browser.post("/sign-in", {"token": site.tokens["jail"]}, headers={"origin": HERE}).status_code == 303


def test_another_name_does_not_lead_here(site):
    browser = Browser(site)
    assert browser.get("/sign-in", headers={"host": "evil.example:8765"}).status_code == 403
    for name in ("localhost:8765", "[::1]:8765", "127.0.0.1"):
        assert browser.get("/sign-in", headers={"host": name}).status_code == 200


def test_a_flood_is_stopped_and_logged_once(page):
    clock = Clock()
    site = page(clock, requests_a_minute=5)
    browser = Browser(site)
    codes = [browser.get("/sign-in").status_code for _ in range(20)]
    assert codes == [200] * 5 + [429] * 15
    assert [a["status"] for a in accesses(site)] == [200] * 5 + [429]
    clock.now += 60
    assert browser.get("/sign-in").status_code == 200


def test_too_many_at_once_are_told_to_come_later(page):
    site = page(at_once=3, at_once_by_address=2)
    browser = Browser(site)
    with site.at_once.one("testclient"):
        assert browser.get("/sign-in").status_code == 200
        with site.at_once.one("testclient"):
            answer = browser.get("/sign-in")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    with site.at_once.one("192.0.2.1"), site.at_once.one("192.0.2.2"), site.at_once.one("192.0.2.3"):
        assert browser.get("/sign-in").status_code == 503
    assert browser.get("/sign-in").status_code == 200
    assert site.at_once._counts == {}


def test_every_answer_has_the_headers(jail, site):
    answers = [jail.get(path) for path in PATHS]
    answers += [Browser(site).get(path) for path in PATHS]
    answers += [jail.client.request(m, "/") for m in ("PUT", "DELETE", "OPTIONS", "TRACE", "PATCH")]
    answers += [jail.post("/"), jail.post("/sign-in", {"token": "x"}), jail.get("/", headers={"host": "evil.example"})]
    answers.append(jail.client.post("/send", content=b"x", headers={"content-type": "text/plain"}))
    assert {a.status_code for a in answers} == {200, 303, 403, 404, 405, 415}
    for answer in answers:
        said = answer.headers
        assert said.get_list("content-security-policy") == [POLICY]
        assert "script" not in POLICY
        assert said["x-content-type-options"] == "nosniff"
        assert said["referrer-policy"] == "no-referrer"
        assert said["cache-control"] == "no-store"
        assert said["cross-origin-opener-policy"] == "same-origin"
        assert said["cross-origin-resource-policy"] == "same-origin"
        assert "permissions-policy" in said
        assert "strict-transport-security" not in said
        assert "<script" not in answer.text
        assert "http:" not in answer.text.replace("http://127.0.0.1", "").replace("http://www.w3.org/2000/svg", "")


def test_a_page_that_fails_tells_nothing(jail, site, capfd, monkeypatch):
    def fail(*_):
        raise RuntimeError("Quackenbush in /secret/place")

    monkeypatch.setattr("evaluation.serve.shown.home", fail)
    answer = jail.get("/")
    assert answer.status_code == 500
    assert answer.headers["content-security-policy"] == POLICY
    assert "The page could not be made." in answer.text
    assert capfd.readouterr().err == "a page failed: RuntimeError\n"
    assert accesses(site)[-1]["what"] == "failed"


def test_a_damaged_store_is_told_without_its_place(jail, site):
    log = site.settings.store.folder / "receipts.jsonl"
    log.write_text("nonsense\n")
    answer = jail.get("/")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "60"
    assert str(log.parent) not in answer.text
    assert "nonsense" not in answer.text


def test_what_cannot_be_logged_is_not_shown(jail, site, monkeypatch, capfd):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(site.audit, "write", full)
    answer = jail.get("/")
    assert answer.status_code == 500
    assert "County jail" not in answer.text
    assert "access.jsonl cannot be written" in capfd.readouterr().err


def test_behind_tls_cookies_are_bound_to_it(tmp_path):
    from dataclasses import replace

    from evaluation.serve.site import Site
    from tests.serve.conftest import made

    settings, tokens = made(tmp_path)
    site = Site(replace(settings, https=True))
    try:
        browser = Browser(site, https=True)
        answer = browser.sign_in(tokens["jail"])
        said = answer.headers["set-cookie"]
        assert re.match(r"__Host-session=[\w-]{43}; HttpOnly; Path=/; SameSite=strict; Secure$", said)
        assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
        assert browser.get("/history").status_code == 200
        clear = Browser(site)
        assert clear.get("/sign-in").status_code == 403
        assert clear.sign_in(tokens["jail"]).status_code == 403
    finally:
        site.close()


def test_in_clear_cookies_are_still_out_of_reach_of_scripts(site):
    said = Browser(site).sign_in(site.tokens["jail"]).headers["set-cookie"]
    assert re.match(r"session=[\w-]{43}; HttpOnly; Path=/; SameSite=strict$", said)


def test_the_log_holds_no_token_no_cell_no_name_and_is_chained(jail, site):
    person = stores.PEOPLE[0]
    cookie, csrf = jail.client.cookies["session"], jail.csrf()
    jail.send(stores.persons(), table="persons", period="2025-11", name=f"{person[1]}.csv")
    jail.get(f"/receipts/{person[0]}?who={person[2]}")
    jail.get(f"/{person[0]}")
    jail.get(f"/templates/{person[0]}.csv")
    Browser(site).sign_in(f"wrong {person[2]}")
    path = site.settings.store.folder / "access.jsonl"
    text = path.read_text()
    for secret in [*stores.PLANTED, cookie, csrf, *site.tokens.values(), "wrong"]:
        assert secret not in text
    assert path.stat().st_mode & 0o777 == 0o600
    assert broken(path) == []
    lines = text.splitlines(keepends=True)
    path.write_text("".join([*lines[:1], lines[1].replace("jail", "court"), *lines[2:]]))
    assert broken(path) == ["line 2 of access.jsonl was altered: it is not what its hash was made of."]
    path.write_text("".join([*lines[:1], *lines[2:]]))
    assert "does not follow" in broken(path)[0]
