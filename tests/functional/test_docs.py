"""Every `evaluation` command in the README and the guides runs as written, in an empty folder.

Files that a guide shows are there before: blocks whose first line is a comment with a path; scripts among them are run.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.cli import call

ROOT = Path(__file__).parents[2]
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
