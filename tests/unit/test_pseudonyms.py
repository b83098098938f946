"""Identifiers become keyed tokens: the same for every spelling, none without the key, others for other projects."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.data.intake.pseudonyms import Pseudonyms, normalised, read_key
from evaluation.errors import DataError

KEY = b"0123456789abcdef0123456789abcdef"
OURS = Pseudonyms(KEY, "county")


def test_a_token_is_hmac_sha256_by_its_definition():
    inner = hashlib.sha256(
        bytes(k ^ 0x36 for k in KEY.ljust(64, b"\0")) + b"evaluation\x1fcounty\x1fperson:jail\x1f17"
    ).digest()
    outer = hashlib.sha256(bytes(k ^ 0x5C for k in KEY.ljust(64, b"\0")) + inner).digest()
    assert OURS.token("person:jail", ["17"]) == base64.b32encode(outer[:20]).decode().lower()
    assert hmac.compare_digest(outer, hmac.digest(KEY, b"evaluation\x1fcounty\x1fperson:jail\x1f17", "sha256"))


def test_tokens_differ_by_key_project_purpose_and_where_fields_end():
    tokens = [
        OURS.token("person:jail", ["17", "A"]), OURS.token("person:jail", ["1", "7A"]), OURS.token("person:court", ["17", "A"]),
        Pseudonyms(KEY, "state").token("person:jail", ["17", "A"]), Pseudonyms(KEY[::-1], "county").token("person:jail", ["17", "A"]),
    ]  # fmt: skip
    assert len(set(tokens)) == 5
    assert all(len(t) == 32 for t in tokens)


def test_a_gap_gives_no_token():
    assert OURS.token("match", ["a", None]) is None
    assert OURS.tokens("match", [("a", "b"), ("a", ""), ("a", "b")]) == [
        OURS.token("match", ["a", "b"]), None, OURS.token("match", ["a", "b"])]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "spellings", "expected"),
    [
        ("last_name", ["O'Neil", "ONEIL", "o neil", "O’Neil ", "O-Neil"], "ONEIL"),
        ("last_name", ["Núñez", "Nunez", "NU\u0301N\u0303EZ"], "NUNEZ"),
        ("last_name", ["Strauß", "Strauss"], "STRAUSS"),
        ("last_name", ["Иванов", "ИВАНОВ "], "ИВАНОВ"),
        ("state_id", ["AB-12 34", "ab1234"], "AB1234"),
        ("sex", ["female", "F", "Female"], "F"),
        ("sex", ["other", "nonbinary"], "X"),
        ("birth_date", ["1990-02-28", " 1990-02-28"], "1990-02-28"),
    ],
)
def test_spellings_come_out_the_same(field, spellings, expected):
    assert {normalised(field, s) for s in spellings} == {expected}


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    once = normalised("last_name", text)
    assert once is None or normalised("last_name", once) == once


@pytest.mark.parametrize("empty", [None, "", "  ", "--"])
def test_nothing_stays_nothing(empty):
    assert normalised("first_name", empty) is None


def test_the_key_must_be_long_private_and_outside_the_store(tmp_path):
    store = tmp_path / "store"
    store.mkdir()

    def key(place, content, mode=0o600):
        place.write_bytes(content)
        place.chmod(mode)
        return place

    assert read_key(key(tmp_path / "key", KEY + b"\n"), store) == KEY
    for place, said in [
        (tmp_path / "none", "no key file"),
        (key(store / "key", KEY), "in the store"),
        (key(tmp_path / "open", KEY, 0o644), "others than you"),
        (key(tmp_path / "short", b"secret"), "6 bytes"),
    ]:
        with pytest.raises(DataError, match=said):
            read_key(place, store)
