"""Wall time and peak memory of whole runs of the shipped studies, start-up included."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
REPEATS = 5
EVALUATION = str(Path(sys.executable).with_name("evaluation"))


def once(*words: str) -> tuple[float, float]:
    """Seconds of wall time and MB of peak memory of one command."""
    start = time.perf_counter()
    process = subprocess.Popen([EVALUATION, *words], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"evaluation {' '.join(words)} ended with {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def measured(*words: str) -> str:
    runs = [once(*words) for _ in range(REPEATS)]
    seconds, memory = (statistics.median(r[i] for r in runs) for i in (0, 1))
    return f"{seconds:.2f} | {memory:.0f}"


def studies() -> list[str]:
    """The section of the benchmarks page."""
    subprocess.run([EVALUATION, "examples"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    shipped = sorted(p.stem for p in (ROOT / "studies").glob("*.yaml"))
    rows = [f"| `evaluation --help` | {measured('--help')} |"]
    with tempfile.TemporaryDirectory() as out:
        for study in shipped:
            rows.append(
                f"| `evaluation run {study} --no-report` | {measured('run', study, '--no-report', '--out', out)} |"
            )
            print(rows[-1], flush=True)
    return [
        "## Whole runs of the shipped studies", "",
        f"The median of {REPEATS} runs, start-up, diagnostics and disclosure control included.", "",
        "| command | seconds | peak memory, MB |", "|---|---|---|", *rows, "",
    ]  # fmt: skip
