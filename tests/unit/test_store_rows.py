"""What is stored and sealed."""

import pyarrow as pa
import pytest

from evaluation.data.store.seal import seal, unseal
from evaluation.errors import DataError
from tests import stores
from tests.stores import rows_of, send, values


@pytest.fixture
def store(tmp_path):
    stores.made(tmp_path)
    return stores.opened(tmp_path)


def test_columns_may_come_but_not_change_their_type(store):
    send(store, "2025-01")
    more = rows_of([3]).append_column("note", pa.array(["x"], pa.string()))
    send(store, "2025-02", rows=more)
    found = store.delta("agency_counts").to_pyarrow_table().to_pylist()
    assert sorted(str(r["note"]) for r in found) == ["None", "None", "x"]
    with pytest.raises(DataError, match="count holds text; in the store it holds whole numbers"):
        send(store, "2025-03", rows=pa.table({"person_id": ["a"], "count": ["12"]}))
    assert [e.kind for e in store.log.entries()][-1] == "accepted"


def test_no_cell_of_a_person_is_noted_in_deltas_log(store):
    send(store)
    for file in (store.place("agency_counts") / "_delta_log").iterdir():
        assert b'"aa"' not in file.read_bytes()
        assert b'\\"aa\\"' not in file.read_bytes()


def test_a_whole_table_takes_the_place_of_all_before_and_never_of_a_later(store):
    send(store, "2025-01", whole_table=True)
    assert send(store, "2025-02", (5,), whole_table=True).said["replaces"] == ["2025-01"]
    assert values(store) == [("jail", "2025-02", 5)]
    with pytest.raises(DataError, match="sent for 2025-02 already"):
        send(store, "2025-01", whole_table=True)


@pytest.mark.parametrize("size", [0, 1, (1 << 22) - 1, 1 << 22, (1 << 22) + 1, 9_000_000])
def test_a_sealed_file_opens_to_the_same_bytes(tmp_path, size):
    plain = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
    (tmp_path / "plain").write_bytes(plain)
    seal(tmp_path / "plain", tmp_path / "sealed", stores.SEAL, "ab")
    assert len(plain) < 100 or plain[:100] not in (tmp_path / "sealed").read_bytes()
    unseal(tmp_path / "sealed", tmp_path / "back", stores.SEAL, "ab")
    assert (tmp_path / "back").read_bytes() == plain


def test_a_sealed_file_that_was_changed_or_cut_does_not_open(tmp_path):
    (tmp_path / "plain").write_bytes(b"x" * 9_000_000)
    seal(tmp_path / "plain", tmp_path / "sealed", stores.SEAL, "ab")
    good, chunk, head = (tmp_path / "sealed").read_bytes(), (1 << 22) + 16, 20 + 32
    swapped = good[:head] + good[head + chunk : head + 2 * chunk] + good[head : head + chunk] + good[head + 2 * chunk :]
    for bad in (good[:-1], good[: head + chunk], swapped, good[:100] + b"!" + good[101:], b"", good[5:]):
        (tmp_path / "sealed").write_bytes(bad)
        with pytest.raises(DataError, match="does not open"):
            unseal(tmp_path / "sealed", tmp_path / "back", stores.SEAL, "ab")
        assert not (tmp_path / "back").exists()
    (tmp_path / "sealed").write_bytes(good)
    for key, sha in ((stores.KEY, "ab"), (stores.SEAL, "cd")):
        with pytest.raises(DataError, match="does not open"):
            unseal(tmp_path / "sealed", tmp_path / "back", key, sha)
