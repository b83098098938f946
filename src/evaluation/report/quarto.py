"""Render one product with Quarto, in a copy of the project so that nothing is left behind in it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from evaluation.errors import Problem, ReportError

TARGETS = {"html": "html", "pdf": "typst", "docx": "docx"}
OLDEST = {"html": (1, 4), "docx": (1, 4), "pdf": (1, 7)}  # the printed page's theme needs the Typst that came with 1.7


def found(form: str) -> str | None:
    """Path of a Quarto that is new enough to make html, pdf or docx, or None."""
    path = shutil.which("quarto")
    return path if path and version(path) >= OLDEST[form] else None


def version(path: str) -> tuple[int, ...]:
    """Version of the Quarto at `path`; empty where it does not answer."""
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(int(n) for n in re.findall(r"\d+", answer.stdout)[:3])


def render(source: Path, product: str, form: str, target: Path) -> None:
    """Render `<product>.qmd` of the project at `source` to `target`; `form` is html, pdf or docx.

    Raises
    ------
    ReportError
        Where Quarto is missing or too old, or fails (with the end of its message).
    """
    path = found(form)
    if path is None:
        needed = ".".join(str(n) for n in OLDEST[form])
        what = f"Quarto {needed} or newer, which {form} needs, was not found."
        raise ReportError(Problem("", "quarto", what, "Install it, or use --renderer pandoc."))
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        shutil.copytree(source, project)
        command = [path, "render", f"{product}.qmd", "--to", TARGETS[form]]
        answer = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)  # noqa: S603
        made = project / f"{product}.{form}"
        if answer.returncode != 0 or not made.is_file():
            raise ReportError(Problem(str(source / f"{product}.qmd"), "quarto", answer.stderr.strip()[-1500:]))
        shutil.copyfile(made, target)
