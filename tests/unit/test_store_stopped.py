"""What a stop, a full disk or damage leaves behind, and what the next writer makes of it."""

import pytest

from evaluation.data.store import recovery
from evaluation.data.store.commits import commit_file
from evaluation.data.store.lock import locked
from evaluation.data.store.rights import expire, forget
from evaluation.data.store.tombstones import bury, tombstones
from evaluation.data.store.verify import settled_and_verified, verify
from evaluation.dictionary.agreements import read_agreements
from evaluation.errors import DataError
from tests import stores
from tests.stores import NOW, send, values


@pytest.fixture
def store(tmp_path):
    stores.made(tmp_path)
    return stores.opened(tmp_path)


def test_power_that_fails_after_the_commit_loses_nothing(store, monkeypatch):
    send(store, "2025-01")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("evaluation.data.store.submission.acceptance", stop)
    with pytest.raises(KeyboardInterrupt):
        send(store, "2025-02", (7, 8))
    monkeypatch.undo()
    place = store.place("agency_counts")
    data = next(p for p in place.rglob("*.parquet") if "2025-02" in str(p))
    data.write_bytes(b"")  # the disk never got it
    with locked(store.folder):
        recovery.recover(store, NOW)
    assert values(store) == [
        ("jail", "2025-01", 1),
        ("jail", "2025-01", 2),
        ("jail", "2025-02", 7),
        ("jail", "2025-02", 8),
    ]
    assert verify(store) == []


def test_a_commit_of_which_the_disk_has_a_part_is_void(store, monkeypatch):
    send(store, "2025-01")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("evaluation.data.store.submission.acceptance", stop)
    with pytest.raises(KeyboardInterrupt):
        send(store, "2025-02", (7, 8))
    monkeypatch.undo()
    commit_file(store.place("agency_counts"), 1).write_bytes(b'{"commitIn')
    assert send(store, "2025-03").entry.kind == "accepted"
    assert [v[:2] for v in values(store)] == [("jail", "2025-01")] * 2 + [("jail", "2025-03")] * 2
    assert [e.kind for e in store.log.entries()] == ["intent", "accepted", "intent", "void", "intent", "accepted"]
    assert verify(store) == []
    assert len(list((store.folder / "received").rglob("*.parquet"))) == 1  # both kept rows are the same two


@pytest.mark.parametrize("step", ["bury", "_prepared", "_erase"])
@pytest.mark.parametrize("why", ["withdrawal", "retention"])
def test_a_removal_that_is_stopped_is_taken_up(store, monkeypatch, step, why):
    send(store, "2025-01", seal_key=stores.SEAL)
    send(store, "2025-02", now="2030-01-01T00:00:00Z")
    agreements = read_agreements(store.folder / "agreements")
    at = "2032-01-01T00:00:00Z"

    def stop(*_):
        raise KeyboardInterrupt

    def act():
        return forget(store, {"jail": ["aa"]}, agreements, at) if why == "withdrawal" else expire(store, agreements, at)

    place = "evaluation.data.store.rights" if step == "bury" else "evaluation.data.store.removal"
    monkeypatch.setattr(f"{place}.{step}", stop)
    if step == "bury" and why == "retention":
        assert act() is not None
    else:
        with pytest.raises(KeyboardInterrupt):
            act()
    monkeypatch.undo()
    assert settled_and_verified(store, at)[0] == []
    kinds = [e.kind for e in store.log.entries()]
    if step == "bury" and why == "withdrawal":
        assert kinds[-1] == "void"
        assert len(values(store)) == 4
    else:
        assert kinds[-1] == "removed"
        assert len(values(store)) == 2
        assert kinds.count("erasing") == 1


def test_a_tombstone_that_breaks_off_is_written_over(store):
    bury(store.folder, "one", {"jail": ["aa"]})
    path = store.folder / "removed.jsonl"
    path.write_bytes(path.read_bytes() + b'{"removal": "tw')
    assert tombstones(store.folder) == {"jail": {"aa"}}
    bury(store.folder, "two", {"court": ["cc"]})
    assert tombstones(store.folder) == {"jail": {"aa"}, "court": {"cc"}}


def test_a_disk_that_is_full_stores_nothing_and_settles_at_once(store, monkeypatch):
    send(store, "2025-01")

    def full(*_, **__):
        raise OSError(28, "No space left on device: 'Quackenbush'")

    monkeypatch.setattr("deltalake.write_deltalake", full)
    with pytest.raises(DataError, match="could not be written") as told:
        send(store, "2025-02", (7, 8))
    assert "Quackenbush" not in str(told.value)
    monkeypatch.undo()
    assert [e.kind for e in store.log.entries()] == ["intent", "accepted", "intent", "void"]
    assert verify(store) == []
    assert len(list((store.folder / "received").rglob("*.parquet"))) == 1


def test_damaged_tables_and_tombstones_are_told_without_a_traceback(store):
    send(store)
    agreements = read_agreements(store.folder / "agreements")
    forget(store, {"jail": ["aa"]}, agreements, NOW)
    commit_file(store.place("agency_counts"), 0).write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        store.delta("agency_counts")
    assert "00000000000000000000.json was altered" in settled_and_verified(store, NOW)[0][0]
    tomb = store.folder / "removed.jsonl"
    said = tomb.read_text()
    for content in (said.replace("aa", "ab"), ""):
        tomb.write_text(content)
        assert any("removed.jsonl does not name the people" in w for w in verify(store))
    tomb.write_text("{\n")
    with pytest.raises(DataError, match="is damaged"):
        send(store, "2025-04")
    assert any("removed.jsonl" in w for w in verify(store))
