"""A Quarto document made plain: its front matter, and its text with includes and variables put in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.errors import Problem, ReportError

_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_INCLUDE = re.compile(r"^\{\{<\s*include\s+(\S+)\s*>\}\}[ \t]*$", re.MULTILINE)
_VARIABLE = re.compile(r"\{\{<\s*var\s+([\w.]+)\s*>\}\}")
_SHORTCODE = re.compile(r"\{\{<.*?>\}\}")


@dataclass(frozen=True)
class Resolved:
    """Markdown ready for Pandoc, and the document's metadata (the study's under the document's own)."""

    text: str
    metadata: dict[str, Any]


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping; empty where the file is."""
    from ruamel.yaml import YAML

    found = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return dict(found or {})


def resolve(document: Path) -> Resolved:
    """The document at `document`, beside which `_study.yml`, `_variables.yml` and the includes lie.

    Raises
    ------
    ReportError
        For an include or a variable that does not exist, or a shortcode beyond `include` and `var`.
    """
    from ruamel.yaml import YAML

    raw = document.read_text(encoding="utf-8")
    front = _FRONT.match(raw)
    own = YAML(typ="safe").load(front.group(1)) if front else {}
    values = read_yaml(document.parent / "_variables.yml")
    text = _INCLUDE.sub(lambda m: _included(document, m.group(1)), raw[front.end() :] if front else raw)
    text = _VARIABLE.sub(lambda m: _value(document, values, m.group(1)), text)
    left = _SHORTCODE.search(text)
    if left:
        raise _problem(
            document,
            left.group(),
            "is a shortcode this renderer does not know.",
            "Use include or var, or render with Quarto.",
        )
    return Resolved(text, read_yaml(document.parent / "_study.yml") | (own or {}))


def _included(document: Path, name: str) -> str:
    path = document.parent / name
    if not path.is_file():
        raise _problem(document, name, "is included but does not exist.", "Write the report's source again.")
    return path.read_text(encoding="utf-8").rstrip("\n")


def _value(document: Path, values: dict[str, Any], key: str) -> str:
    found: Any = values
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if found is None or isinstance(found, dict):
        raise _problem(document, key, "is not a variable of _variables.yml.", "Add it there, or use one that is.")
    return str(found)


def _problem(document: Path, key: str, what: str, fix: str) -> ReportError:
    return ReportError(Problem(str(document), key, what, fix))
