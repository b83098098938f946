"""The commands `token` and `serve`: what they print, keep and refuse."""

import json
import sys
from datetime import date

import pytest

from evaluation.cli import call, serving
from evaluation.data.store.agencies import read_agencies
from evaluation.serve.audit import Audit
from evaluation.serve.rates import MOST_ADDRESSES, Requests
from evaluation.serve.settings import Limits
from evaluation.serve.tokens import bearer, digest
from tests import stores


@pytest.fixture
def base(tmp_path, monkeypatch):
    stores.made(tmp_path)
    monkeypatch.setattr(serving, "now", lambda: stores.NOW)
    return tmp_path


@pytest.fixture
def run(base, capfd):
    def ran(*tokens):
        code = call([*tokens, "--store", str(base / "store")])
        out, err = capfd.readouterr()
        return code, out, err

    return ran


def agencies(base):
    return read_agencies(base / "store")


def test_a_token_is_printed_once_and_kept_as_a_hash(base, run):
    code, out, err = run("token", "jail", "--days", "30")
    text = out.strip()
    assert code == 0
    assert len(text) == 43
    (kept,) = agencies(base)["jail"].tokens
    assert (kept.sha256, kept.created, kept.expires) == (digest(text), date(2026, 2, 1), date(2026, 3, 3))
    assert f"the token {kept.name} of jail; it holds until 2026-03-03" in err
    assert text not in "".join(p.read_text() for p in (base / "store").rglob("*") if p.is_file())
    assert "# who may send" in (base / "store" / "agencies.yaml").read_text()


def test_several_tokens_hold_at_once_and_are_taken_back_one_by_one(base, run):
    first, second = (json.loads(run("token", "jail", "--json")[1]) for _ in range(2))
    listed = json.loads(run("token", "jail", "--list", "--json")[1])
    assert [t["token"] for t in listed] == [first["token"], second["token"]]
    assert "text" not in listed[0]
    assert first["text"] not in run("token", "jail", "--list")[1]
    assert run("token", "jail", "--revoke", first["token"])[0] == 0
    today = date(2026, 2, 1)
    known = agencies(base).values()
    assert bearer(known, first["text"], today) is None
    assert bearer(known, second["text"], today)[0].id == "jail"
    assert bearer(known, second["text"], date(2027, 2, 1)) is not None
    assert bearer(known, second["text"], date(2027, 2, 2)) is None
    code, _, err = run("token", "jail", "--revoke", first["token"])
    assert code == 1
    assert f"it has: {second['token']}" in err


def test_changing_an_agency_leaves_its_tokens(base, run):
    made = json.loads(run("token", "jail", "--json")[1])
    assert run("agency", "jail", "--name", "Jail of the county")[0] == 0
    found = agencies(base)["jail"]
    assert found.name == "Jail of the county"
    assert [t.name for t in found.tokens] == [made["token"]]


@pytest.mark.parametrize(
    ("said", "code", "told"),
    [
        (["token", "nobody"], 1, "the store knows no agency nobody"),
        (["token", "jail", "--days", "0"], 2, "a token holds for 1 to 3650 days"),
        (["token", "jail", "--list", "--revoke", "x"], 2, "exclude each other"),
        (["serve", "--host", "0.0.0.0"], 2, "on 0.0.0.0 tokens and names would travel through the network in clear"),  # noqa: S104
        (["serve", "--port", "0"], 2, "0 is no port"),
        (["serve", "--max-mb", "0"], 2, "0 MB is no limit"),
        (["serve", "--key-file", "/nowhere"], 1, "there is no key file here"),
    ],
)
def test_what_is_wrong_is_told(run, said, code, told):
    found, out, err = run(*said)
    assert found == code
    assert told in err
    assert out == ""


def test_without_the_extra_it_is_named(run, monkeypatch):
    for name in [m for m in sys.modules if m.startswith("evaluation.serve.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, _, err = run("serve")
    assert code == 2
    assert "pip install 'evaluation[serve]'" in err


def test_a_log_that_was_altered_is_not_written_on(base, run, capfd):
    path = base / "store" / "access.jsonl"
    audit = Audit(path)
    audit.write(stores.NOW, "seen", "jail", "/", "127.0.0.1", 200)
    audit.write(stores.NOW, "seen", "jail", "/", "127.0.0.1", 200)
    audit.close()
    with path.open("a") as file:
        file.write('{"number": 3')  # a writer that was stopped
    Audit(path).close()
    assert path.read_text().count("\n") == 2
    path.write_text(path.read_text().replace("jail", "court", 1))
    code, _, err = run("serve", "--port", "1")
    assert code == 1
    assert "line 1 of access.jsonl was altered" in err


def test_two_pages_write_one_chain(base):
    from evaluation.serve.audit import broken

    path = base / "store" / "access.jsonl"
    first, second = Audit(path), Audit(path)
    for n in range(6):
        (first, second)[n % 2].write(stores.NOW, "seen", None, "/", "127.0.0.1", 200)
    assert broken(path) == []
    assert [json.loads(line)["number"] for line in path.read_text().splitlines()] == [1, 2, 3, 4, 5, 6]


def test_counting_requests_takes_no_more_memory_than_it_may():
    requests = Requests(Limits(), lambda: 0.0)
    for n in range(MOST_ADDRESSES + 500):
        requests.over(f"10.{n // 65536}.{n // 256 % 256}.{n % 256}")
    assert len(requests._counts) == MOST_ADDRESSES
    assert requests.over("192.0.2.1") > 1


def test_where_there_is_no_store_that_is_told(base, capfd):
    assert call(["serve", "--store", str(base / "nowhere")]) == 1
    assert "there is no store here" in capfd.readouterr().err
