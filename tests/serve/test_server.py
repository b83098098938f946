"""The page as a server: visitors who trickle, stop, shout or leave, and what is left when it is stopped."""

import http.client
import json
import re
import socket
import time
from contextlib import closing, suppress

import pytest

from tests.serve.conftest import BAD, counts, fields, part
from tests.serve.running import running

KIND = {"Content-Type": "multipart/form-data; boundary=XX", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("served") / "base"
    limits = {"header_seconds": 1.0, "form_seconds": 1.0, "silence_seconds": 1.0, "upload_seconds": 4.0,
              "grace_seconds": 2.0, "file_bytes": 300_000, "connections_by_address": 12, "reading_seconds": 1.0,
              "requests_a_minute": 100_000}  # fmt: skip
    with running(base, **limits) as (port, tokens):
        yield base, port, tokens
    assert [p for p in base.iterdir() if p.name.startswith("evaluation-")] == []
    assert "Traceback" not in (base / "stderr").read_text()


def ask(port, method, path, body=None, **headers):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()


@pytest.fixture(scope="module")
def signed_in(server):
    _, port, tokens = server
    _, headers, _ = ask(port, "POST", "/sign-in", f"token={tokens['jail']}", Sec_Fetch_Site="same-origin",
                        Content_Type="application/x-www-form-urlencoded")  # fmt: skip
    cookie = headers["Set-Cookie"].split(";")[0]
    _, _, text = ask(port, "GET", "/send", Cookie=cookie)
    return {"Cookie": cookie, **KIND}, re.search(r'name="csrf" value="([^"]+)"', text)[1]


def spoken(port, first, trickle=b"x", pause=0.1, most=8.0):
    """Send `first`, then a byte now and then; all that came back, and the seconds until the server hung up."""
    began, got = time.monotonic(), b""
    with socket.create_connection(("127.0.0.1", port)) as talk:
        talk.sendall(first)
        talk.settimeout(pause)
        while time.monotonic() - began < most:
            try:
                more = talk.recv(65536)
                if not more:
                    break
                got += more
            except TimeoutError:
                pass
            except OSError:
                break
            try:
                talk.sendall(trickle)
            except OSError:
                break
    return got, time.monotonic() - began


def head(headers, length):
    lines = [f"{k}: {v}" for k, v in headers.items()]
    return "\r\n".join(["POST /send HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {length}", *lines, "", ""]).encode()


def test_a_head_that_trickles_is_cut_off(server):
    _, port, _ = server
    got, seconds = spoken(port, b"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ")
    assert got == b""
    assert seconds < 3


def test_a_connection_that_says_nothing_is_cut_off(server):
    _, port, _ = server
    got, seconds = spoken(port, b"", trickle=b"")
    assert got == b""
    assert seconds < 3


def test_a_head_too_long_is_cut_off(server):
    _, port, _ = server
    got, _ = spoken(port, b"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: " + b"x" * 70_000)
    assert got == b""


def test_a_body_that_nobody_asked_for_does_not_keep_the_connection(server):
    _, port, _ = server
    got, seconds = spoken(port, b"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200")
    assert seconds < 4


def test_answers_that_nobody_reads_do_not_keep_the_connection(server):
    _, port, _ = server
    with socket.socket() as talk:
        talk.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        talk.connect(("127.0.0.1", port))
        talk.sendall(b"GET /page.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 3000)
        time.sleep(5)
        got = b""
        with suppress(ConnectionResetError):
            while more := talk.recv(1 << 20):
                got += more
    assert 0 < got.count(b"HTTP/1.1 200") < 3000


def test_a_file_that_trickles_is_refused(server, signed_in):
    base, port, _ = server
    headers, csrf = signed_in
    start = fields(csrf=csrf, table="agency_counts", period="2025-11", do="send") + part("file", b"x", "a.csv")
    got, seconds = spoken(port, head(headers, 200_000) + start)
    assert got.startswith(b"HTTP/1.1 408")
    assert b"came too slowly" in got
    assert 1.5 < seconds < 5
    assert b"default-src 'none'" in got
    assert not [p for p in base.glob("evaluation-serve-*/*") if p.name != "lock"]


def test_a_file_that_stops_is_refused(server, signed_in):
    _, port, _ = server
    headers, csrf = signed_in
    got, seconds = spoken(port, head(headers, 200_000) + fields(csrf=csrf), trickle=b"")
    assert got.startswith(b"HTTP/1.1 408")
    assert seconds < 3


def test_a_form_that_trickles_is_refused(server):
    _, port, _ = server
    form = (b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 3000\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\ntoken=")  # fmt: skip
    got, seconds = spoken(port, form)
    assert got.startswith(b"HTTP/1.1 408")
    assert seconds < 4


def test_visitors_who_hold_on_do_not_keep_others_out_for_long(server):
    _, port, _ = server
    holding = [socket.create_connection(("127.0.0.1", port)) for _ in range(12)]
    time.sleep(0.2)
    with pytest.raises(ConnectionResetError):
        ask(port, "GET", "/sign-in")
    time.sleep(1.5)
    assert ask(port, "GET", "/sign-in")[0] == 200
    for talk in holding:
        talk.close()


def test_a_browser_sees_why_its_file_was_refused(server, signed_in):
    _, port, _ = server
    headers, csrf = signed_in
    form = fields(csrf=csrf, table="agency_counts", period="2025-11", do="send") + part("file", b"x" * 600_000, "a.csv")
    status, said, text = ask(port, "POST", "/send", form + b"--XX--\r\n", **headers)
    assert status == 413
    assert said["Connection"] == "close"
    assert "The file is larger than" in text
    status, said, _ = ask(port, "POST", "/send", form + b"--XX--\r\n", **(headers | {"Cookie": "session=none"}))
    assert (status, said["Location"]) == (303, "/sign-in?ended")


def test_a_visitor_who_leaves_leaves_nothing(server, signed_in):
    base, port, _ = server
    headers, csrf = signed_in
    start = fields(csrf=csrf, table="agency_counts", period="2025-11", do="send") + part("file", b"x" * 9000, "a.csv")
    with socket.create_connection(("127.0.0.1", port)) as talk:
        talk.sendall(head(headers, 200_000) + start)
        time.sleep(0.3)
        assert [p for p in base.glob("evaluation-serve-*/*") if p.name != "lock"]
    time.sleep(0.5)
    assert not [p for p in base.glob("evaluation-serve-*/*") if p.name != "lock"]


def test_nobody_is_believed_about_their_address(server):
    base, port, _ = server
    assert ask(port, "GET", "/sign-in", X_Forwarded_For="203.0.113.9", Forwarded="for=203.0.113.9")[0] == 200
    assert "203.0.113.9" not in (base / "store" / "access.jsonl").read_text()


def test_behind_a_proxy_visitors_have_their_own_address_and_clear_text_is_refused(tmp_path):
    with running(tmp_path / "base", https=True) as (port, _):
        told = {
            "X_Forwarded_For": "198.51.100.1, 203.0.113.9",
            "X_Forwarded_Proto": "https",
            "Host": "data.example.org",
        }
        status, headers, _ = ask(port, "GET", "/sign-in", **told)
        assert status == 200
        assert headers["Strict-Transport-Security"].startswith("max-age=")
        assert ask(port, "GET", "/sign-in", **(told | {"X_Forwarded_Proto": "http"}))[0] == 403
        assert ask(port, "GET", "/sign-in")[0] == 403
        lines = (tmp_path / "base" / "store" / "access.jsonl").read_text().splitlines()
        assert [json.loads(line)["client"] for line in lines] == ["203.0.113.9", "203.0.113.9", "127.0.0.1"]


def test_a_file_is_checked_and_stored(server, signed_in):
    base, port, _ = server
    headers, csrf = signed_in
    own = fields(csrf=csrf, table="agency_counts", period="2025-11", do="send")
    for content, place in ((BAD, "/findings"), (counts(), "/receipts/3")):
        form = own + part("file", content.encode(), "a.csv") + b"--XX--\r\n"
        status, said, _ = ask(port, "POST", "/send", form, **headers)
        assert (status, said["Location"]) == (303, place)
    assert "server" not in {k.lower() for k in said}
    last = (base / "store" / "access.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["what"] == "submitted"
    assert json.loads(last)["client"] == "127.0.0.1"
