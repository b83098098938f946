"""Wall time and peak memory of the run step of every shipped study; writes docs/benchmarks.md.

Each figure is the median of five runs, each in its own process, start-up included.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHIPPED = ("transition_aid", "prison_work_program", "per_se_laws", "drug_court", "joint_task_force")
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


def main() -> None:
    subprocess.run([EVALUATION, "examples"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    rows = [f"| `evaluation --help` | {measured('--help')} |"]
    with tempfile.TemporaryDirectory() as out:
        for study in SHIPPED:
            rows.append(
                f"| `evaluation run {study} --no-report` | {measured('run', study, '--no-report', '--out', out)} |"
            )
            print(rows[-1], flush=True)
    text = [
        "# Benchmarks", "",
        f"Written by `make bench`: the median of {REPEATS} runs, each in its own process, start-up included.",
        f"Python {platform.python_version()}, {os.cpu_count()} cores.", "",
        "| command | seconds | peak memory, MB |", "|---|---|---|", *rows, "",
    ]  # fmt: skip
    (ROOT / "docs" / "benchmarks.md").write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
