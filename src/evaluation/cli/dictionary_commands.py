"""Commands that tell agencies what to send."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from evaluation.cli.console import AsJson, print_json, print_table, say
from evaluation.errors import Problem, UsageError

if TYPE_CHECKING:
    from evaluation.dictionary.tables import Field, Table


def dictionary(
    table: str | None = None,
    /,
    *,
    search: str | None = None,
    to: Literal["datapackage"] | None = None,
    out: Annotated[Path | None, Parameter(name="--out")] = None,
    as_json: AsJson = False,
) -> int:
    """What to send: the tables, and of one table its fields, codes and rules.

    Parameters
    ----------
    table
        Name of a table; all are listed without it.
    search
        Words that must all occur in a field's names, texts or codes.
    to
        Write the dictionary as a data package instead, to the file that --out names.
    out
        The file to write.
    """
    from evaluation.dictionary.package import datapackage
    from evaluation.dictionary.search import search as found
    from evaluation.dictionary.search import table_named
    from evaluation.dictionary.tables import tables

    one = None if table is None else table_named(table)
    chosen = list(tables().values()) if one is None else [one]
    if (to is None) != (out is None):
        raise UsageError(Problem("", "", "--to and --out go together.", "Name the form and the file to write."))
    if out is not None:
        out.write_text(json.dumps(datapackage(chosen), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        say(str(out))
    elif search is not None:
        hits = found(search, one)
        if as_json:
            print_json([asdict(h) for h in hits])
        else:
            print_table(
                "",
                ("table", "field", "title", "description"),
                [(h.table, h.field, h.title, h.description) for h in hits],
            )
    elif as_json:
        print_json(datapackage(chosen)["resources"])
    elif one is not None:
        _show(one)
    else:
        print_table(
            "",
            ("table", "title", "due every", "fields"),
            [(t.name, t.title, t.frequency, str(len(t.fields))) for t in chosen],
        )
    return 0


def _show(table: Table) -> None:
    say(f"{table.title} ({table.name})\n{table.description}")
    rows = [
        (f.name, f.type, f.unit or "", "yes" if f.constraints.required else "", _told(f), f.sensitivity, str(f.example))
        for f in table.fields
    ]
    print_table("", ("field", "type", "unit", "required", "what it is", "sensitivity", "example"), rows)
    say("Missing values: " + ", ".join(m or "an empty cell" for m in table.missing_values))
    for rule in table.rules:
        say(f"{rule.severity}: {rule.message} {rule.remedy}")


def _told(field: Field) -> str:
    from evaluation.dictionary.codelists import codelist

    lines = [f"{field.title}. {field.description}"]
    lines += [f"Includes: {text}" for text in field.includes] + [f"Excludes: {text}" for text in field.excludes]
    if field.missing_values:
        lines.append("Also missing: " + ", ".join(field.missing_values))
    codes = (
        [f"{c.code} = {c.label}" for c in codelist(field.codelist)] if field.codelist else list(field.constraints.enum)
    )
    return "\n".join(lines + codes)


def template(
    table: str,
    /,
    *,
    to: Literal["xlsx", "csv"],
    agency: str,
    out: Annotated[Path, Parameter(name="--out")] = Path(),
) -> int:
    """Write an empty file for an agency to fill.

    Parameters
    ----------
    table
        Name of a table of the dictionary.
    to
        A spreadsheet with lists to choose from, or a CSV file with the header alone.
    agency
        The id of the agency that will fill it.
    out
        Folder to write it in.
    """
    from evaluation.dictionary.search import table_named

    asked = table_named(table)
    if to == "xlsx":
        from evaluation.dictionary.templates.xlsx import workbook

        content = workbook(asked, agency)
    else:
        content = (",".join(f.name for f in asked.fields) + "\r\n").encode("utf-8-sig")
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{asked.name}.{to}"
    if file.exists():
        raise UsageError(Problem(str(file), "", "this file exists; it may be filled already.", "Give another --out."))
    file.write_bytes(content)
    say(str(file))
    return 0
