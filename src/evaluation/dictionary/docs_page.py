"""The dictionary as one page of the docs: every table, then every list of codes once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.dictionary.codelists import codelist
from evaluation.dictionary.told import SHORT, due, example_told, marks_told, meaning, rules_told, type_told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.dictionary.tables import Field, Table

FILES = "../data_dictionary/codelists/"
_OPENING = """# Data dictionary

What agencies send: {n} tables. This page is made from `data_dictionary/` by
`evaluation dictionary --to docs --out docs/dictionary.md`; `evaluation dictionary TABLE` shows one table, and
`evaluation template TABLE --to xlsx --agency AGENCY` makes a spreadsheet for it.

Required columns have a star. Dates are written YYYY-MM-DD; yes and no as true/false, yes/no, y/n, t/f or 1/0.
Columns marked *identifier* are replaced by tokens before anything is stored; *part 2* falls under 42 CFR Part 2.
"""


def docs_page(tables: Sequence[Table]) -> str:
    """The page in Markdown; the same for the same dictionary."""
    lists = sorted({f.codelist for t in tables for f in t.fields if f.codelist})
    contents = ["| table | what a row is about | sent |", "|---|---|---|"]
    contents += [f"| [{t.name}](#{t.name}) | {_cell(t.title)} | {_cell(due(t))} |" for t in tables]
    parts = [_OPENING.format(n=len(tables)), "\n".join(contents) + "\n"]
    parts += [_table(t) for t in tables]
    parts.append("## Lists of codes\n")
    parts += [_list(name) for name in lists]
    return "\n".join(parts)


def _table(table: Table) -> str:
    lines = [f"## {table.name}", "", f"**{table.title}.** {table.description.strip()}", ""]
    lines += [f"{due(table)} Key: {', '.join(f'`{k}`' for k in table.primary_key)}."]
    lines += [f"Missing values: {_cell(marks_told(table))}.", ""]
    lines += ["| column | type | what it is | example |", "|---|---|---|---|"]
    lines += [_row(table, f) for f in table.fields]
    if table.rules:
        lines += ["", "Rules:", ""]
        lines += [f"- {_plain(text)}" for text in rules_told(table)]
    return "\n".join([*lines, ""])


def _row(table: Table, field: Field) -> str:
    star = "*" if field.constraints.required else ""
    marked = {"identifier": " *identifier*", "part2": " *part 2*"}.get(field.sensitivity, "")
    told = " ".join([f"{field.title}.", *meaning(table, field)])
    if field.codelist:
        told += f" Codes: [{field.codelist}](#list-{field.codelist})"
    elif field.constraints.enum:
        told += " One of " + ", ".join(field.constraints.enum)
    return f"| `{field.name}`{star} | {type_told(field)}{marked} | {_cell(told)} | `{_cell(example_told(field))}` |"


def _list(name: str) -> str:
    """A list of codes; of a long one the first alone, and where the rest stands."""
    codes = codelist(name)
    lines = [f'### <a id="list-{name}"></a>{name}', ""]
    shown = codes if len(codes) <= SHORT else codes[:SHORT]
    lines.append(" · ".join(f"`{c.code}` {_cell(c.label)}" for c in shown))
    if len(shown) < len(codes):
        lines += ["", f"… and {len(codes) - len(shown)} more in [{name}.csv]({FILES}{name}.csv)."]
    return "\n".join([*lines, ""])


def _plain(text: str) -> str:
    """Text in which nothing is markup to Markdown."""
    return " ".join(text.split()).replace("*", r"\*").replace("<", "&lt;")


def _cell(text: str) -> str:
    return _plain(text).replace("|", r"\|")
