"""`evaluation submit` stopped by SIGKILL at every step, at random moments, alone and among six writers.

Run as a program: python -m tests.stopped SCENARIO FOLDER [KILLS]. It imports what a writer needs, then forks one child
a submission, so that a stop costs milliseconds and not a start of Python. It prints what it saw as JSON.
"""

import contextlib
import io
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import deltalake
import duckdb
import pandas as pd  # noqa: F401 - children inherit it
import pyarrow.compute
import pyarrow.parquet  # noqa: F401

from evaluation.cli import call
from evaluation.cli import intake as commands
from evaluation.data.intake import intake  # noqa: F401
from evaluation.data.store import commits
from evaluation.data.store.recovery import settled
from evaluation.data.store.standing import accepted
from evaluation.data.store.store import open_store
from evaluation.data.store.verify import verify
from tests import stores

STEPS = ("fsync", "replace", "unlink", "mkdir")
ROWS = 5


def submit(base, agency, month, value):
    """One submission by the command, as a process of its own would make it; its receipt, written down at once."""
    file = base / f"{agency}-{month}-{value}.csv"
    file.write_text(stores.counts(month, agency, value, ROWS))
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        code = call(["submit", str(file), "--table", "agency_counts", "--agency", agency, "--period", month,
                     "--store", str(base / "store"), "--json"])  # fmt: skip
    if code == 0:
        line = json.dumps({"value": value} | json.loads(told.getvalue())["receipt"])
        with (base / f"receipts-{agency}").open("a") as receipts:
            receipts.write(line + "\n")
    return code


def receipts(base):
    return [json.loads(line) for file in sorted(base.glob("receipts-*")) for line in file.read_text().splitlines()]


def child(action):
    """Run an action in a process of its own; its number."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            code = action() or 0
        except BaseException as error:  # noqa: BLE001 - the child tells, and ends
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        finally:
            sys.stderr.flush()
            os._exit(code)
    return pid


def answer(action):
    """What an action in a process of its own gives, as JSON."""
    read, write = os.pipe()

    def told():
        os.close(read)
        with os.fdopen(write, "w") as pipe:
            json.dump(action(), pipe)

    pid = child(told)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text)


def dying_at(step):
    """Have this process kill itself before (even) or after (odd) its n-th call that changes the disk."""
    count = [0]

    def wrap(real):
        def wrapped(*args, **options):
            count[0] += 1
            if 2 * count[0] - 2 == step:
                os.kill(os.getpid(), signal.SIGKILL)
            mine = count[0]
            try:
                return real(*args, **options)
            finally:
                if 2 * mine - 1 == step:
                    os.kill(os.getpid(), signal.SIGKILL)

        return wrapped

    for name in STEPS:
        setattr(os, name, wrap(getattr(os, name)))
    deltalake.write_deltalake = wrap(deltalake.write_deltalake)
    return count


def seen(base):
    """What a reader finds in the table, without settling anything: values by agency and period."""
    store = open_store(base / "store")
    scan = store.scan("agency_counts")
    if scan is None:
        return {}
    rows = duckdb.sql(f'SELECT _agency, _period, list("count" ORDER BY "count") FROM {scan} GROUP BY ALL').fetchall()
    return {f"{agency} {period}": values for agency, period, values in rows}


def whole(values):
    return values == [values[0] + i for i in range(ROWS)]


def state(base):
    """After a stop: what a reader sees, then what the next writer makes of it."""
    before = seen(base)
    store = settled(base / "store", "2026-02-01T09:00:00Z")
    entries = store.log.entries()
    named = {s.said["kept_sha256"] for s in accepted(entries)}
    place = store.place("agency_counts")
    ever = {a.path for file in commits.versions(place) for a in commits.read_commit(file).added}
    data = [p for p in place.rglob("*.parquet") if "_delta_log" not in p.parts]
    return {
        "seen": before, "after": seen(base), "wrong": verify(store), "hashes": [e.hash for e in entries],
        "orphans": [str(p) for p in data if str(p.relative_to(place)) not in ever]
        + [p.name for p in (store.folder / "received").rglob("*.parquet") if p.stem not in named],
    }  # fmt: skip


def judged(base, earlier, value, found):
    """Whether a stop left the store as it was before or as it would have been after, and lost nothing told."""
    key, new = "jail 2025-03", [value + i for i in range(ROWS)]
    old = earlier.get(key)
    faults = [*found["wrong"], *found["orphans"]]
    if found["seen"].get(key) not in (old, new) or found["after"] != found["seen"]:
        faults.append(f"neither before nor after: {found['seen']} {found['after']}")
    for receipt in receipts(base):
        if receipt["receipt_sha256"] not in found["hashes"]:
            faults.append("a receipt is not in the log")
        if receipt["value"] == value and found["after"].get(key) != new:
            faults.append("what was receipted is not there")
    return faults


def steps(base, _kills):
    """Killed before and after every call that changes the disk, on a new store and on one that has the table."""
    faults, points, stored = [], 0, 0
    for fresh in (True, False):
        step = 0
        while True:
            if fresh:
                shutil.rmtree(base / "store", ignore_errors=True)
                for old in base.glob("receipts-*"):
                    old.unlink()
                stores.made(base)
            value = 100 * (points + 1)
            earlier = answer(lambda: seen(base))

            def act(step=step, value=value):
                dying_at(step)
                return submit(base, "jail", "2025-03", value)

            _, status = os.waitpid(child(act), 0)
            found = answer(lambda: state(base))
            faults += [f"step {step}: {f}" for f in judged(base, earlier, value, found)]
            stored += found["after"].get("jail 2025-03") == [value + i for i in range(ROWS)]
            if not os.WIFSIGNALED(status):
                if os.WEXITSTATUS(status) != 0:
                    faults.append(f"step {step}: exit {os.WEXITSTATUS(status)}")
                break
            points += 1
            step += 1
    return {"kills": points, "stored": stored, "faults": faults}


def moments(base, kills):
    """Killed at random moments of the whole command, and of the commit of the table."""
    stores.made(base)
    chance = random.Random(7)  # noqa: S311
    faults, done, stored = [], 0, 0
    start = time.monotonic()
    os.waitpid(child(lambda: submit(base, "jail", "2025-03", 1)), 0)
    # how long the whole takes, and its commit: longer after a kill too early, so that a busy machine too sees both ends
    lasts = [time.monotonic() - start, 0.02]
    for n in range(kills * 3):
        if done == kills:
            break
        value = 100 * (n + 1)
        earlier = answer(lambda: seen(base))
        read, write = os.pipe()

        def act(value=value, write=write):
            real = deltalake.write_deltalake

            def commit(*args, **options):
                os.write(write, b"x")
                return real(*args, **options)

            deltalake.write_deltalake = commit
            return submit(base, "jail", "2025-03", value)

        pid = child(act)
        os.close(write)
        if n % 2:
            os.read(read, 1)  # the commit begins
        time.sleep(chance.random() * lasts[n % 2])
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.close(read)
        _, status = os.waitpid(pid, 0)
        done += os.WIFSIGNALED(status)
        found = answer(lambda: state(base))
        faults += [f"moment {n}: {f}" for f in judged(base, earlier, value, found)]
        came_through = found["after"].get("jail 2025-03") == [value + i for i in range(ROWS)]
        stored += came_through
        lasts[n % 2] *= 0.8 if came_through else 1.25
    return {"kills": done, "stored": stored, "faults": faults}


def writers(base, kills):
    """Six writers at once, each killed again and again, with a reader who reads all the while."""
    stores.made(base)
    chance = random.Random(11)  # noqa: S311
    slots = [("jail", f"2025-{m:02d}") for m in (1, 2, 3)] + [("court", f"2025-{m:02d}") for m in (1, 2, 3)]
    os.waitpid(child(lambda: submit(base, "court", "2025-01", 0)), 0)
    values = dict.fromkeys(slots, 1)

    def begin(slot):
        values[slot] += 100

        def act(first=values[slot]):
            return next((c for c in (submit(base, *slot, first + i) for i in range(50)) if c), 0)

        return child(act)

    def reading():
        faults, n = [], 0
        while not (base / "stop").exists():
            now = seen(base)
            faults += [f"half-written: {k} {v}" for k, v in now.items() if not whole(v)]
            n += 1
        (base / "read").write_text(json.dumps({"reads": n, "faults": faults}))

    reader = child(reading)
    running = {slot: begin(slot) for slot in slots}
    faults = []
    for _ in range(kills):
        time.sleep(chance.random() * 0.4)
        slot = chance.choice(slots)
        os.kill(running[slot], signal.SIGKILL)
        _, status = os.waitpid(running[slot], 0)
        if not os.WIFSIGNALED(status):
            faults.append(f"a writer ended: {status}")
        running[slot] = begin(slot)
    for pid in running.values():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    (base / "stop").touch()
    os.waitpid(reader, 0)
    read = json.loads((base / "read").read_text())
    found = answer(lambda: state(base))
    faults += [*read["faults"], *found["wrong"], *found["orphans"]]
    told = receipts(base)
    faults += ["a receipt is not in the log" for r in told if r["receipt_sha256"] not in found["hashes"]]
    for agency, month in slots:
        last = max((r["value"] for r in told if (r["agency"], r["period"]) == (agency, month)), default=None)
        there = found["after"].get(f"{agency} {month}")
        if last is not None and (there is None or not whole(there) or there[0] < last):
            faults.append(f"lost: {agency} {month} {last} {there}")
    return {"kills": kills + len(slots), "stored": len(told), "reads": read["reads"], "faults": faults}


def warmed(base):
    """Load what a writer needs, short of Delta: its threads would not live on in the children."""
    stores.made(base)
    file = base / "bad.csv"
    file.write_text(stores.counts("2024-01", value=-9))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = call(["submit", str(file), "--table", "agency_counts", "--agency", "jail", "--period", "2025-01",
                     "--store", str(base / "store"), "--json"])  # fmt: skip
    assert code == 1


def main():
    scenario, folder, kills = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0
    folder.mkdir(parents=True, exist_ok=True)
    stores.use(stores.dictionary(folder / "dictionary"))
    commands.now = lambda: "2026-02-01T09:00:00Z"
    warmed(folder / "warm")
    print(json.dumps({"steps": steps, "moments": moments, "writers": writers}[scenario](folder, kills)))


if __name__ == "__main__":
    main()
