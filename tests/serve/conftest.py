"""A page over a small store: two agencies with tokens, an agreement, the shipped dictionary."""

import json
import re
import time
import warnings
from datetime import date

import pytest

from evaluation.data.intake.intake import Keys
from evaluation.data.store.store import open_store
from evaluation.serve.checking import worked
from evaluation.serve.server import application
from evaluation.serve.settings import Limits, Settings
from evaluation.serve.site import Site
from evaluation.serve.tokens import issue
from tests import stores

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have httpx2
    from starlette.testclient import TestClient

HERE = "http://127.0.0.1:8765"
DAY = date(2026, 2, 1)
AGREEMENT = """
agreement: county
title: County data sharing
parties: [jail, court]
tables:
  agency_counts: {fields: all}
  persons: {fields: all}
  task_force_activity: {fields: [agency_id, quarter]}
purposes: [evaluation]
legal_basis: [{law: cjis, section: "5.1"}]
starts: 2025-01-01
expires: 2026-04-01
retention_years: 5
erase_history: true
contact: someone@example.org
"""
AGENCIES = """
- id: jail
  name: County jail & <detention>
  due:
    - {table: agency_counts, every: month, days: 15, since: 2025-10-01}
- id: court
  name: County court
"""
HEADER = "agency_id,area_id,month,measure,dimension,category,basis,count,provisional\n"


def counts(agency="jail", month="2025-11", count="12", more=""):
    """A file that is in order."""
    return f"{HEADER}{agency},21067,{month}-01,arrests,none,all,occurrence,{count},false\n{more}"


BAD = counts(count="many", more="jail,21067,2025-11-01,arrests,sex,female,nowhere,3,false\n")


def made(base, **limits):
    """A store with tokens of both agencies, and a site over it."""
    folder = stores.made(base)
    (folder / "agreements" / "county.yaml").write_text(AGREEMENT)
    (folder / "agencies.yaml").write_text(AGENCIES)
    store = open_store(folder)
    tokens = {name: issue(store, name, DAY, 30)[0] for name in ("jail", "court")}
    settings = Settings(store, Keys(stores.KEY, None), lambda: stores.NOW, limits=Limits(**limits))
    return settings, tokens


class Clock:
    """Seconds that a test moves on."""

    now = 1000.0

    def __call__(self):
        return self.now


class Browser:
    """What a browser does: keeps the cookie, says where a form was sent from, puts the hidden field into it."""

    def __init__(self, site, https=False):
        base = HERE.replace("http", "https") if https else HERE
        self.client = TestClient(application(site), base_url=base, follow_redirects=False)
        self.client.headers["sec-fetch-site"] = "same-origin"
        self.get = self.client.get

    def post(self, path, data=None, **more):
        return self.client.post(path, data=data, **more)

    def sign_in(self, token):
        return self.post("/sign-in", {"token": token})

    def csrf(self):
        return re.search(r'name="csrf" value="([^"]+)"', self.get("/history").text)[1]

    def send(self, content, do="send", table="agency_counts", period="2025-11", name="our file.csv", csrf=None, **more):
        content = content.encode() if isinstance(content, str) else content
        said = {"csrf": self.csrf() if csrf is None else csrf, "table": table, "period": period, **more}
        escaped = name.replace('"', "%22").replace("\n", "%0A").replace("\r", "%0D")
        return self.raw(fields(**said), part("file", content, escaped), fields(do=do))

    def raw(self, *parts, content=None, **headers):
        """A form put together by hand."""
        kind = {"content-type": "multipart/form-data; boundary=XX"}
        whole = b"".join(parts) + b"--XX--\r\n"
        return self.client.post("/send", content=whole if content is None else content, headers=kind | headers)


def part(name, content, filename=None):
    """One part of a form."""
    more = "" if filename is None else f'; filename="{filename}"'
    return f'--XX\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"


def fields(**said):
    """The parts of fields without a file."""
    return b"".join(part(name, text.encode()) for name, text in said.items())


@pytest.fixture
def page(tmp_path):
    """Make a page with limits of one's own; a clock that the test moves, where one is given."""
    sites = []

    def start(clock=time.monotonic, *, process=False, **limits):
        settings, tokens = made(tmp_path, **limits)
        site = Site(settings, clock)
        if not process:
            site.checker.run = worked  # in this process, which saves the time to start another
        site.tokens = tokens
        sites.append(site)
        return site

    yield start
    for site in sites:
        site.close()


@pytest.fixture
def site(page):
    return page()


@pytest.fixture
def jail(site):
    browser = Browser(site)
    assert browser.sign_in(site.tokens["jail"]).status_code == 303
    return browser


@pytest.fixture
def court(site):
    browser = Browser(site)
    assert browser.sign_in(site.tokens["court"]).status_code == 303
    return browser


def accesses(site):
    """The lines of the log."""
    return [json.loads(line) for line in (site.settings.store.folder / "access.jsonl").read_text().splitlines()]
