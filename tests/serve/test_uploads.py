"""Files as they come: too large, too slow, oddly named, broken off, many at once, hostile to the check."""

import tempfile
import threading
import time
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation.data.store.store import open_store
from evaluation.serve.checking import Broken, Checker, Job, Outcome, _confine, letter
from evaluation.serve.site import Site
from evaluation.serve.uploads import shown_name
from tests import stores
from tests.serve.conftest import BAD, Browser, accesses, counts, fields, made, part

ODD = (b"--XX", b"--XX--", b"\r\n\r\n", b"\r\n", b": ", b"; filename=", b'"', b"\x00")
GOOD = {"table": "agency_counts", "period": "2025-11", "do": "send"}


@pytest.mark.parametrize(
    "name",
    ["../../agencies.yaml", "/etc/passwd", "..\\..\\store.json", "C:\\Users\\clerk\\x.csv", "a\x00b", "<b>x</b>.csv"],
)
def test_a_name_leads_nowhere(jail, site, tmp_path, name):
    before = {p for p in tmp_path.rglob("*") if "tables" not in p.parts}
    jail.send(BAD, do="check", name=name)
    text = jail.get("/findings").text
    assert "<b>" not in text
    assert "../" not in text.replace("/../", "")
    assert "Users" not in text
    assert {p for p in tmp_path.rglob("*") if "tables" not in p.parts} == before


def test_a_name_is_shown_without_what_misleads():
    assert shown_name("a/b\\c/counts.csv") == "counts.csv"
    assert shown_name("counts\u202evsc.exe\x07\n") == "countsvsc.exe"
    assert len(shown_name("x" * 1000)) == 100


def test_a_file_beyond_the_limit_is_refused_while_it_is_read(page):
    site = page(file_bytes=100_000, form_seconds=0.2)
    browser = Browser(site)
    browser.sign_in(site.tokens["jail"])
    answer = browser.send(b"x" * 300_000)
    assert answer.status_code == 413
    assert "The file is larger than 0 MB." in answer.text
    form = fields(csrf=browser.csrf(), **GOOD) + part("file", b"y" * 300_000, "a.csv") + b"--XX--\r\n"

    def unannounced():
        for start in range(0, len(form), 1000):
            yield form[start : start + 1000]

    assert browser.raw(content=unannounced()).status_code == 413
    assert browser.send(b"x" * 120_000).status_code == 413  # within the form's allowance, beyond the file's
    assert [p.name for p in site.folder.iterdir()] == ["lock"]
    assert accesses(site)[-1]["what"] == "denied"


def test_a_form_of_another_shape_is_refused(jail, site):
    csrf = jail.csrf()
    own = fields(csrf=csrf, **GOOD)
    file = part("file", counts().encode(), "a.csv")
    shapes = {
        "an unknown field": own + fields(agency="court") + file,
        "a field twice": own + fields(table="persons") + file,
        "two files": own + file + file,
        "a field sent as a file": fields(csrf=csrf) + part("table", b"x", "a.csv"),
        "the file sent as a field": own + part("file", b"x"),
        "a long field": fields(csrf=csrf, table="x" * 600) + file,
        "a long header": own + part("x" * 5000, b"x"),
        "a part without a name": own + b"--XX\r\n\r\nx\r\n",
    }
    for what, form in shapes.items():
        assert jail.raw(form).status_code == 400, what
    for kind in ("text/csv", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 300):
        assert jail.raw(own + file, **{"content-type": kind}).status_code == 415, kind
    assert jail.raw(content=own + file[:-20]).status_code == 400
    assert jail.raw(content=b"nothing of the kind").status_code == 400
    assert not site.settings.store.log.entries()


def test_a_small_form_is_small(site):
    browser = Browser(site)
    assert browser.post("/sign-in", {"token": "x" * 5000}).status_code == 413
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert browser.client.post("/sign-in", content=b"&".join([b"a=1"] * 50), headers=kind).status_code == 400
    assert browser.client.post("/sign-in", content=b"\xff=\xfe", headers=kind).status_code == 400
    assert browser.client.post("/sign-in", content=b"", headers=kind).status_code == 403


def test_one_file_at_a_time(page):
    site = page(checks=2)
    first, second, third = Browser(site), Browser(site), Browser(site)
    go, begun = threading.Event(), threading.Semaphore(0)
    plain = site.checker.run

    def slow(job):
        begun.release()
        go.wait(20)
        return plain(job)

    site.checker.run = slow
    for browser, agency in ((first, "jail"), (second, "court"), (third, "court")):
        browser.sign_in(site.tokens[agency])
    marks = first.csrf(), second.csrf()
    said = {}
    threads = [
        threading.Thread(target=lambda b=b, m=m: said.setdefault(b, b.send(BAD, do="check", csrf=m)))
        for b, m in zip((first, second), marks, strict=True)
    ]
    for thread in threads:
        thread.start()
        assert begun.acquire(timeout=20)
    again = first.send(BAD, do="check", csrf=marks[0])
    assert (again.status_code, again.headers["retry-after"]) == (503, "20")
    assert "Your last file is still being checked." in again.text
    full = third.send(BAD, do="check")
    assert full.status_code == 503
    assert "Other files are being checked." in full.text
    assert third.get("/").status_code == 200
    go.set()
    for thread in threads:
        thread.join()
    assert [a.status_code for a in said.values()] == [303, 303]
    assert third.send(BAD, do="check").status_code == 303


def test_the_check_runs_in_a_process_of_its_own(page):
    site = page(process=True)
    browser = Browser(site)
    browser.sign_in(site.tokens["jail"])
    assert browser.send(counts()).headers["location"] == "/receipts/2"
    assert "is in the store." in browser.get("/receipts/2").text
    assert [p.name for p in site.folder.iterdir()] == ["lock"]


def hang(_to, _job):
    time.sleep(60)


def crash(_to, _job):
    import os

    os.abort()


def fail(to, _job):
    to.send("MemoryError")


@pytest.mark.parametrize(("work", "late"), [(hang, True), (crash, False), (fail, False)])
def test_a_check_that_does_not_end_is_ended(tmp_path, monkeypatch, capfd, work, late):
    monkeypatch.setattr("evaluation.serve.checking._work", work)
    settings, _ = made(tmp_path)
    job = Job(
        settings.store, settings.keys, "", tmp_path, tmp_path / "x", "jail", "agency_counts", "2025", False, "send"
    )
    checker = Checker(1.0 if late else 30.0)
    began = time.monotonic()
    with pytest.raises(Broken) as broken:
        checker.run(job)
    assert broken.value.late is late
    assert time.monotonic() - began < 20
    assert not checker._running
    assert ("a check failed: MemoryError\n" in capfd.readouterr().err) is (work is fail)


def chatty(to, job):
    import os

    _confine(job.folder)
    print("Quackenbush", flush=True)
    os.write(1, b"Quackenbush")
    os.write(2, b"Quackenbush")
    to.send(Outcome(left_out=(tempfile.gettempdir(),)))


def test_what_a_library_says_about_a_file_is_not_heard(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("evaluation.serve.checking._work", chatty)
    asked, _ = made(tmp_path)
    job = Job(asked.store, asked.keys, "", tmp_path, tmp_path / "x", "jail", "agency_counts", "2025", False, "send")
    assert Checker(30.0).run(job).left_out == (str(tmp_path),)
    assert capfd.readouterr() == ("", "")


def test_what_a_killed_page_left_is_cleared_away(page, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    running = page()
    left = tmp_path / "evaluation-serve-left"
    left.mkdir()
    (left / "lock").touch()
    (left / "received").write_text("Quackenbush")
    stores.made(tmp_path / "other")
    other = Site(replace(running.settings, store=open_store(tmp_path / "other" / "store")))
    other.close()
    assert not left.exists()
    assert running.folder.exists()


@pytest.fixture
def unhurried(page):
    site = page(requests_a_minute=1_000_000)
    browser = Browser(site)
    browser.sign_in(site.tokens["jail"])
    return browser


@given(st.data())
@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_form_breaks_the_page(unhurried, data):
    jail = unhurried
    csrf = jail.csrf()
    form = fields(csrf=csrf, **GOOD) + part("file", counts().encode(), "a.csv") + b"--XX--\r\n"
    cut, insert = data.draw(st.integers(0, len(form))), data.draw(st.binary(max_size=40) | st.sampled_from(ODD))
    again = data.draw(st.integers(0, len(form)))
    answer = jail.raw(content=form[:cut] + insert + form[again:])
    assert answer.status_code in (303, 400, 403, 413, 415, 422)
    kind = data.draw(st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=40))
    assert jail.raw(content=form, **{"content-type": f"multipart/form-data; {kind}"}).status_code in (303, 400, 415)
    path = data.draw(st.sampled_from(["/", "/receipts/", "/templates/"])) + quote(data.draw(st.text(max_size=30)))
    assert jail.get(path).status_code in (200, 404, 405)


def test_a_check_that_does_not_end_is_told(jail, site):
    def ended(_):
        raise Broken(late=True)

    site.checker.run = ended
    answer = jail.send(counts())
    assert answer.status_code == 422
    assert "The check took too long and was ended. Look into the history" in answer.text.replace("</p>\n<p>", " ")


def test_columns_have_the_letters_of_a_spreadsheet():
    assert [letter(n) for n in (0, 25, 26, 51, 52, 701, 702)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]
