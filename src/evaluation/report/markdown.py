"""The small part of Markdown the reports use, in the form that both Quarto and the embedded renderer read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~^$@])")
_LIST_START = re.compile(r"^([-+]|\d+[.)])(?=\s)")
NOTHING = "<!-- nothing to report -->\n"


def escape(text: str) -> str:
    """Plain text as Markdown that shows exactly that text, on one line."""
    flat = _SPECIAL.sub(r"\\\1", " ".join(text.split()))
    return _LIST_START.sub(lambda m: m.group()[:-1] + "\\" + m.group()[-1], flat)


def paragraphs(*texts: str) -> str:
    """Plain texts as Markdown paragraphs; empty ones are left out, blank lines inside one start a new one."""
    parts = [escape(p) for text in texts for p in re.split(r"\n\s*\n", text) if p.strip()]
    return "\n\n".join(parts) + "\n" if parts else NOTHING


def bullets(items: Sequence[str]) -> str:
    """Plain texts as a list."""
    return "\n".join(f"- {escape(i)}" for i in items if i) + "\n" if any(items) else NOTHING


def titled_bullets(items: Sequence[tuple[str, str]]) -> str:
    """A list whose items begin with a bold lead."""
    shown = [f"- **{escape(lead)}** {escape(text)}" for lead, text in items if text]
    return "\n".join(shown) + "\n" if shown else NOTHING


def callout(kind: str, title: str, body: str) -> str:
    """A Quarto callout; `kind` is note, important or warning, `body` is Markdown."""
    return f'::: {{.callout-{kind} title="{attribute(title)}" icon="false"}}\n{body.strip()}\n:::\n'


def attribute(text: str) -> str:
    """Plain text inside a quoted attribute."""
    return " ".join(text.split()).replace("\\", "\\\\").replace('"', "”")


@dataclass(frozen=True)
class Table:
    """A table as it is printed: plain-text cells, `align` a letter (l or r) a column, first column names the row."""

    id: str
    caption: str
    header: list[str]
    align: str
    rows: list[list[str]]

    def markdown(self) -> str:
        widths = [max([len(h), *(min(len(r[i]), 48) for r in self.rows)]) for i, h in enumerate(self.header)]
        rule = "|".join(_rule(max(w, 6), a) for w, a in zip(widths, self.align, strict=True))
        lines = [_line(self.header), f"|{rule}|", *(_line(r) for r in self.rows)]
        return "\n".join(lines) + f"\n\n: {escape(self.caption)} {{#tbl-{self.id}}}\n"


def _rule(width: int, align: str) -> str:
    """A column's part of the line under the header; the number of dashes gives its share of the width."""
    return "-" * width + "--:" if align == "r" else ":--" + "-" * width


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escape(c) for c in cells) + " |"
