"""Every `evaluation` command in the README and the guides runs as written, in an empty folder.

Files that a guide shows are there before: blocks whose first line is a comment with a path; scripts among them are run.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.cli import call

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(p for p in (ROOT / "docs").glob("*.md") if "```bash" in p.read_text("utf-8"))
GUIDES = sorted(p for p in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")] if "```sh" in p.read_text("utf-8"))
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
FILE = re.compile(r"```(?:yaml|python)\n# (\S+\.(?:yaml|py))\n(.*?)```", re.DOTALL)


def commands(guide):
    """The `evaluation` commands of a guide's sh blocks, in order; continued lines joined, comments left out."""
    lines = "\n".join(BLOCK.findall(guide.read_text("utf-8"))).replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [w for w in words if w and w[0] == "evaluation"]


def shown(guide, folder):
    """The files that a guide shows, written and, where they are scripts, run."""
    for name, text in FILE.findall(guide.read_text("utf-8")):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
        if name.endswith(".py"):
            subprocess.run([sys.executable, name], cwd=folder, check=True)


def test_the_readme_shows_commands():
    assert len(commands(ROOT / "README.md")) >= 3


@pytest.mark.parametrize("guide", GUIDES, ids=lambda p: p.name)
def test_commands_run_as_written(guide, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shown(guide, tmp_path)
    for words in commands(guide):
        code = call(words[1:])
        captured = capsys.readouterr()
        assert code == 0, f"{' '.join(words)}\n{captured.out}\n{captured.err}"
        assert "Traceback" not in captured.err


@pytest.mark.parametrize("guide", SCRIPTS, ids=lambda p: p.name)
def test_scripts_run_as_written(guide, tmp_path):
    """Guides whose steps are the shell's too: all blocks in order, in one shell that stops at the first failure."""
    blocks = re.findall(r"```bash\n(.*?)```", guide.read_text("utf-8"), re.DOTALL)
    source = Path(__file__).parents[2] / "src"
    tool = tmp_path / "tools" / "evaluation"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from evaluation.cli import main; main()" "$@"\n')
    tool.chmod(0o755)
    place = {**os.environ, "PATH": f"{tool.parent}:{os.environ['PATH']}", "PYTHONPATH": str(source)}
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", "\n".join(blocks)], cwd=tmp_path, env=place, text=True,
                          capture_output=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Traceback" not in done.stderr
