"""The page in a browser: by mouse, by keyboard alone, without scripts, narrow (which is what enlarging comes to); and what axe-core finds."""

import os
from pathlib import Path

import pytest

from tests.serve.conftest import BAD, counts
from tests.serve.running import running

pytestmark = pytest.mark.chromium
CHROMIUM = Path(os.environ.get("EVALUATION_CHROMIUM", "/usr/bin/chromium"))
SHOTS = os.environ.get("EVALUATION_SHOTS")  # folder for screenshots, where they are to be looked at


@pytest.fixture(scope="module")
def chromium():
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}: apt-get install chromium, or set EVALUATION_CHROMIUM")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def server(tmp_path):
    with running(tmp_path / "base") as (port, tokens):
        yield f"http://127.0.0.1:{port}", tokens


@pytest.fixture
def files(tmp_path):
    made = {"bad": tmp_path / "bad.csv", "good": tmp_path / "good.csv"}
    made["bad"].write_text(BAD)
    made["good"].write_text(counts())
    return made


def judged(page, name):
    """A screenshot, and what axe-core finds serious on the page."""
    from axe_core_python.sync_playwright import Axe

    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)
    found = Axe().run(page)["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")] == [], name


def press(page, button):
    page.get_by_role("button", name=button).click()


def signed_in(page, base, token):
    page.goto(base)
    page.fill("#token", token)
    page.click("button")
    page.wait_for_url(f"{base}/")


@pytest.fixture
def page(chromium, server):
    """A window that has asked nobody else for anything, nor broken the policy, by the end."""
    base, _ = server
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    outside, complaints = [], []
    page.on("request", lambda r: outside.append(r.url) if not r.url.startswith(base) else None)
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    yield page
    page.close()
    assert outside == []
    assert [c for c in complaints if "status of 4" not in c] == []


def test_signing_in_and_out(page, server):
    base, tokens = server
    page.goto(base)
    judged(page, "sign-in")
    page.fill("#token", "wrong")
    press(page, "Sign in")
    assert page.locator("[role=alert]").inner_text().startswith("Error: This token is not valid")
    judged(page, "sign-in-wrong")
    signed_in(page, base, tokens["jail"])
    page.goto(f"{base}/receipts/77")
    judged(page, "not-there")
    press(page, "Sign out")
    page.wait_for_url(f"{base}/sign-in")
    page.go_back()
    page.goto(f"{base}/history")
    assert page.url.startswith(f"{base}/sign-in")


def test_what_is_due_and_templates(page, server):
    base, tokens = server
    signed_in(page, base, tokens["jail"])
    assert page.locator("h1").inner_text() == "County jail & <detention>"
    judged(page, "home")
    page.click("text=Templates")
    judged(page, "templates")
    with page.expect_download() as got:
        page.click("a[href='/templates/agency_counts.xlsx']")
    assert got.value.suggested_filename == "agency_counts.xlsx"
    page.goto(base)
    page.click("text=Send Counts by area and month for 2025-11")
    assert page.locator("#period").input_value() == "2025-11"
    assert page.locator("#table").input_value() == "agency_counts"
    judged(page, "send")


def test_a_bad_file(page, server, files):
    base, tokens = server
    signed_in(page, base, tokens["jail"])
    page.goto(f"{base}/send?table=agency_counts&period=2025-11")
    page.set_input_files("#file", files["bad"])
    press(page, "Check only")
    page.wait_for_url(f"{base}/findings")
    assert page.locator("h1").inner_text() == "The file is not in order yet"
    page.click("text=Column count")
    assert page.locator("tr:target th").inner_text() == "H2"
    judged(page, "findings")
    with page.expect_download() as got:
        page.click("text=Download this list")
    assert got.value.suggested_filename == "findings.csv"
    page.click("text=Send the mended file")
    page.set_input_files("#file", files["bad"])
    with page.expect_download() as got:
        press(page, "Check and mark")
    assert got.value.suggested_filename == "marked.xlsx"
    page.fill("#period", "soon")
    press(page, "Check and send")
    page.wait_for_selector("#period-wrong")
    assert "is no period" in page.locator("#period-wrong").inner_text()
    judged(page, "send-wrong")


def test_a_good_file(page, server, files):
    base, tokens = server
    signed_in(page, base, tokens["jail"])
    page.goto(f"{base}/send?table=agency_counts&period=2025-11")
    page.set_input_files("#file", files["good"])
    press(page, "Check only")
    page.wait_for_url(f"{base}/findings")
    judged(page, "in-order")
    page.click("text=Send the file")
    page.set_input_files("#file", files["good"])
    press(page, "Check and send")
    page.wait_for_url(f"{base}/receipts/2")
    assert "good.csv is in the store." in page.locator("[role=status]").inner_text()
    judged(page, "receipt")
    page.reload()
    assert page.locator("h1").inner_text() == "Receipt 2"
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    judged(page, "receipt-printed")
    page.emulate_media(media="screen")
    page.click("text=History")
    judged(page, "history")


def test_without_scripts_on_a_narrow_screen(chromium, server, files):
    base, tokens = server
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 320, "height": 640})
    page = context.new_page()
    signed_in(page, base, tokens["jail"])
    for path, name in (("/", "home"), ("/send", "send"), ("/templates", "templates")):
        page.goto(base + path)
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/narrow-{name}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") == 320, name  # tables alone scroll, by themselves
    page.goto(f"{base}/send")
    page.select_option("#table", "agency_counts")
    page.fill("#period", "2025-11")
    page.set_input_files("#file", files["good"])
    press(page, "Check and send")
    page.wait_for_url(f"{base}/receipts/2")
    assert page.locator("h1").inner_text() == "Receipt 2"
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/narrow-receipt.png", full_page=True)


def focused(page):
    return page.evaluate("(document.activeElement.id || document.activeElement.innerText).trim()")


def tab_to(page, what, most=40):
    """Press Tab until something has the focus; it must be seen that it has."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if focused(page) == what:
            style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert style == "solid", what
            return
    raise AssertionError(f"{what} cannot be reached by Tab")


def test_by_keyboard_alone(chromium, server, files):
    base, tokens = server
    page = chromium.new_page()
    page.goto(base)
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the content"
    page.keyboard.press("Enter")
    tab_to(page, "token", 1)
    page.keyboard.type(tokens["jail"])
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base}/")
    tab_to(page, "Send a file")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base}/send")
    order = []
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    for _ in range(7):
        page.keyboard.press("Tab")
        order.append(focused(page))
    assert order == ["table", "period", "nothing", "file", "Check only", "Check and mark", "Check and send"]
    page.focus("#table")
    page.keyboard.type("Counts")
    tab_to(page, "period", 1)
    page.keyboard.type("2025-11")
    tab_to(page, "file", 2)
    page.set_input_files("#file", files["bad"])  # the dialog is the system's own
    tab_to(page, "Check only", 1)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base}/findings")
    tab_to(page, "Column basis")
    page.keyboard.press("Enter")
    assert page.locator("tr:target th").inner_text() == "G3"
    tab_to(page, "Sign out", 60)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base}/sign-in")
