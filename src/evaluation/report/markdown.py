"""The small part of Markdown the reports use, in the form that both Quarto and the embedded renderer read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~^$@])")
_LIST_START = re.compile(r"^([-+]|\d+[.)])(?=\s)")
LINE = 100  # characters of table text that fit on a printed line
WIDEST = 160  # characters beyond which a cell's length earns its column no more room
SHORT, WORDS = 18, 12  # a cell with a figure, and one of words alone, up to so long is not broken over lines
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
    """Plain text inside a quoted attribute; what would be a shortcode is broken up."""
    return " ".join(text.split()).replace("\\", "\\\\").replace('"', "”").replace("{{<", "{ {<")


@dataclass(frozen=True)
class Table:
    """A table as it is printed: plain-text cells, `align` a letter (l or r) a column, first column names the row.

    Without an `id` it is not numbered.
    """

    id: str
    caption: str
    header: list[str]
    align: str
    rows: list[list[str]]

    def markdown(self) -> str:
        """The table as a Pandoc pipe table with its caption and identifier."""
        rule = "|".join(_rule(w, a) for w, a in zip(_widths(self.header, self.rows), self.align, strict=True))
        lines = [_line(self.header), f"|{rule}|", *(_line(r) for r in self.rows)]
        name = f" {{#tbl-{self.id}}}" if self.id else ""
        return "\n".join(lines) + f"\n\n: {escape(self.caption)}{name}\n"


def _widths(header: list[str], rows: list[list[str]]) -> list[int]:
    """Dashes a column, `LINE` in all: room for what should not break in each, the rest by how much each has to say.

    A line of more than 72 characters is what makes Pandoc give a table the full text width in these shares.
    """
    columns = [[r[i] for r in rows] for i in range(len(header))]
    least = [
        max([_longest_word(h), *(_unbroken(c) for c in cells)]) + 3 for h, cells in zip(header, columns, strict=True)
    ]
    wanted = [
        max(n, min(max([len(c) for c in cells], default=0), WIDEST) + 3)
        for n, cells in zip(least, columns, strict=True)
    ]
    spare, hunger = max(LINE - sum(least), 0), sum(wanted) - sum(least)
    if hunger <= spare:
        return [max(1, round(LINE * w / sum(wanted))) for w in wanted]
    return [n + round(spare * (w - n) / hunger) for n, w in zip(least, wanted, strict=True)]


def _longest_word(text: str) -> int:
    return max((len(word) for word in text.split()), default=0)


def _unbroken(cell: str) -> int:
    """Characters of a cell that should stay on one line: all of a short one, else its longest word."""
    limit = SHORT if any(c.isdigit() for c in cell) else WORDS
    return len(cell) if len(cell) <= limit else _longest_word(cell)


def _rule(width: int, align: str) -> str:
    """A column's part of the line under the header; the number of dashes gives its share of the width."""
    return "-" * max(width - 1, 2) + ":" if align == "r" else ":" + "-" * max(width - 1, 2)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escape(c) for c in cells) + " |"
