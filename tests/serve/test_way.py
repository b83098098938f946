"""A clerk's way through the page: sign in, what is due, a template, a bad file, a good file, the receipt."""

import io
import re

import openpyxl

from tests.serve.conftest import BAD, Browser, accesses, counts, fields, part


def test_nobody_sees_anything_before_signing_in(site):
    browser = Browser(site)
    for path in ("/", "/send", "/templates", "/templates/persons.csv", "/history", "/receipts/2", "/findings"):
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in"), path


def test_the_first_page_tells_what_is_due_late_and_ending(jail):
    text = jail.get("/").text
    assert "County jail &amp; &lt;detention&gt;" in text
    assert '<td class="day">2026-01</td><td class="day">2026-02-15</td>' in text
    assert re.search(
        r"<td class=\"day\">2025-10</td><td class=\"day\">2025-11-15</td>\s*<td><span class=\"state late\">late", text
    )
    assert "county: ends on 2026-04-01, in 59 days." in text
    assert "None of the periods that were due have come." in text


def test_a_bad_file_is_told_cell_by_cell_and_nothing_is_stored(jail, site):
    answer = jail.send(BAD, do="check")
    assert (answer.status_code, answer.headers["location"]) == (303, "/findings")
    text = jail.get("/findings").text
    assert "The file is not in order yet" in text
    anchor = re.search(r'<a href="#(f[0-9]+)">Column count</a>: 1 error', text)[1]
    assert re.search(rf'<tr id="{anchor}">\s*<th scope="row">H2</th>', text)
    assert ">G3</th>" in text
    assert "our file.csv" in text
    assert not site.settings.store.log.entries()
    assert jail.send(BAD).headers["location"] == "/findings"
    assert "The file was refused" in jail.get("/findings").text
    assert [e.kind for e in site.settings.store.log.entries()] == ["refused"]
    assert "sent, and rejected" in jail.get("/").text


def test_the_findings_can_be_taken_away_as_a_file(jail):
    jail.send(BAD, do="check")
    answer = jail.get("/findings.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="findings.csv"'
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert lines[0].startswith("severity,cell,row,column,rule")
    assert any(line.startswith("error,H2,2,count,type,1,") for line in lines)


def test_the_file_comes_back_marked(jail, site):
    answer = jail.send(BAD, do="mark")
    assert answer.headers["content-disposition"] == 'attachment; filename="marked.xlsx"'
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).worksheets[0]
    assert sheet["H2"].comment is not None
    assert sheet["H3"].comment is None
    assert "The file is not in order yet" in jail.get("/findings").text
    assert jail.send(counts(), do="mark").headers["location"] == "/findings"
    assert jail.send(b"%PDF-1.7", do="mark").headers["location"] == "/findings"
    assert "A file that cannot be read cannot be marked." in jail.get("/findings").text
    assert [a["what"] for a in accesses(site) if a["path"] == "/send"] == ["checked"] * 3
    assert not site.settings.store.log.entries()


def test_a_good_file_gets_a_receipt(jail, site):
    assert jail.send(counts(), do="check").headers["location"] == "/findings"
    assert "No errors were found" in jail.get("/findings").text
    assert not site.settings.store.log.entries()
    answer = jail.send(counts())
    assert (answer.status_code, answer.headers["location"]) == (303, "/receipts/2")
    entry = site.settings.store.log.entries()[-1]
    text = jail.get("/receipts/2").text
    assert "our file.csv is in the store." in text
    assert entry.hash in text
    assert entry.submission in text
    history = jail.get("/history").text
    assert '<a href="/receipts/2">Receipt 2</a>' in history
    assert "in the store" in history
    assert "This very file is in the store already" in jail.get(jail.send(counts()).headers["location"]).text


def test_nothing_is_left_of_what_was_received(jail, site):
    jail.send(BAD, do="check")
    jail.send(counts())
    assert [p.name for p in site.folder.iterdir()] == ["lock"]
    assert site.folder.stat().st_mode & 0o777 == 0o700


def test_nothing_happened_is_said_by_a_tick(jail):
    header = counts().splitlines()[0] + "\n"
    jail.send(header, do="check")
    text = jail.get("/findings").text
    assert "no rows" in text
    assert "--nothing" not in text
    jail.send(header, do="check", nothing="yes")
    assert "No errors were found" in jail.get("/findings").text


def test_a_form_that_is_wrong_says_so_beside_the_field(jail):
    answer = jail.send(counts(), table="deaths", period="march")
    assert answer.status_code == 422
    assert 'id="table-wrong"' in answer.text
    assert 'aria-describedby="table-wrong"' in answer.text
    assert "&#34;march&#34; is no period." in answer.text
    answer = jail.raw(
        fields(csrf=jail.csrf(), table="agency_counts", period="2025-11", do="send"), part("file", b"", "")
    )
    assert "Choose the file to send." in answer.text


def test_a_period_that_is_not_over_is_refused(jail):
    jail.send(counts(month="2026-02"), period="2026-02")
    assert "2026-02 ends on 2026-02-28" in jail.get("/findings").text


def test_templates_have_what_the_agreements_cover_and_no_more(jail):
    text = jail.get("/templates").text
    assert "/templates/agency_counts.xlsx" in text
    assert "/templates/deaths" not in text
    assert jail.get("/templates/task_force_activity.csv").content.decode("utf-8-sig") == "agency_id,quarter\r\n"
    book = openpyxl.load_workbook(io.BytesIO(jail.get("/templates/agency_counts.xlsx").content))
    assert book["agency_counts"]["A1"].value == "agency_id"
    for path in ("/templates/deaths.csv", "/templates/agency_counts.pdf", "/templates/../agencies.csv"):
        assert jail.get(path).status_code == 404


def test_every_access_is_one_line(jail, site):
    jail.get("/")
    jail.get("/templates/agency_counts.csv")
    jail.send(BAD, do="check")
    jail.send(BAD)
    jail.send(counts())
    jail.get("/receipts/3")
    jail.get("/nowhere/PN77001")
    jail.post("/sign-out", {"csrf": jail.csrf()})
    found = [(a["what"], a["agency"], a["path"], a["status"]) for a in accesses(site)]
    seen = ("seen", "jail", "/history", 200)
    assert found == [
        ("sign_in", "jail", "/sign-in", 303), ("seen", "jail", "/", 200),
        ("downloaded", "jail", "/templates/{table}.{kind}", 200),
        seen, ("checked", "jail", "/send", 303), seen, ("refused", "jail", "/send", 303),
        seen, ("submitted", "jail", "/send", 303), ("seen", "jail", "/receipts/{number}", 200),
        ("denied", "jail", "", 404), seen, ("sign_out", "jail", "/sign-out", 303),
    ]  # fmt: skip
