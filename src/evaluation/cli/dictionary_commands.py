"""Commands that tell agencies what to send."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from evaluation.cli.console import AsJson, print_json, print_table, say, tell
from evaluation.errors import Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.dictionary.tables import Table

Form = Literal["datapackage", "docs", "redcap"]


def dictionary(
    table: str | None = None,
    /,
    *,
    search: str | None = None,
    codes: Annotated[bool, Parameter(negative="")] = False,
    to: Form | None = None,
    from_redcap: Path | None = None,
    out: Annotated[Path | None, Parameter(name="--out")] = None,
    force: Annotated[bool, Parameter(name="--force", negative="")] = False,
    as_json: AsJson = False,
) -> int:
    """What to send: the tables, and of one table its fields, codes and rules.

    Parameters
    ----------
    table
        Name of a table; all are listed without it.
    search
        Words that must all occur in a field's names, texts or codes.
    codes
        Show every code of the table's lists, however long.
    to
        Write the dictionary to the file that --out names instead: as a data package (JSON), a page of the docs
        (Markdown), or a REDCap data dictionary (CSV).
    from_redcap
        A REDCap data dictionary (CSV): write one table a form to the folder that --out names, and say what REDCap
        has that a table cannot hold.
    out
        The file or folder to write.
    force
        Replace files that exist.
    """
    from evaluation.dictionary.package import datapackage
    from evaluation.dictionary.search import search as found
    from evaluation.dictionary.search import table_named
    from evaluation.dictionary.tables import tables
    from evaluation.dictionary.told import page

    one = None if table is None else table_named(table)
    chosen = list(tables().values()) if one is None else [one]
    _together(to, from_redcap, out)
    if out is not None and from_redcap is not None:
        _from_redcap(from_redcap, out, force, as_json)
    elif out is not None and to is not None:
        _write(out, _exported(chosen, to), force)
        say(str(out))
    elif search is not None:
        hits = found(search, one)
        if as_json:
            print_json([asdict(h) for h in hits])
        else:
            print_table("", ("table", "field", "title"), [(h.table, h.field, h.title) for h in hits])
    elif as_json:
        print_json(datapackage(chosen)["resources"])
    elif one is not None:
        say(page(one, all_codes=codes))
    else:
        rows = [(t.name, t.title, t.frequency, str(len(t.fields))) for t in chosen]
        print_table("", ("table", "title", "sent every", "fields"), rows)
    return 0


def _together(to: str | None, from_redcap: Path | None, out: Path | None) -> None:
    if to is not None and from_redcap is not None:
        raise UsageError(Problem("", "--to", "--to and --from-redcap exclude each other.", "Give one of them."))
    if (to is None and from_redcap is None) != (out is None):
        fix = "Name what to write with --to or --from-redcap, and where with --out."
        raise UsageError(Problem("", "--out", "--out goes with --to or --from-redcap.", fix))


def _exported(chosen: Sequence[Table], to: Form) -> str:
    if to == "docs":
        from evaluation.dictionary.docs_page import docs_page

        return docs_page(chosen)
    if to == "redcap":
        from evaluation.dictionary.redcap import exported

        return exported(chosen)
    from evaluation.dictionary.package import datapackage

    return json.dumps(datapackage(chosen), indent=2, ensure_ascii=False) + "\n"


def _from_redcap(source: Path, out: Path, force: bool, as_json: bool) -> None:
    from evaluation.dictionary.redcap_import import imported, read

    done = imported(read(source))
    for name, text in done.files.items():
        if (out / name).exists() and not force:
            raise _in_the_way(out / name)
        del text
    for name, text in done.files.items():
        _write(out / name, text, force)
    if as_json:
        print_json({"files": [str(out / name) for name in done.files], "not_carried": list(done.not_carried)})
        return
    for name in done.files:
        say(str(out / name))
    for text in done.not_carried:
        tell(text)


def _write(file: Path, text: str, force: bool) -> None:
    if file.exists() and not force:
        raise _in_the_way(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", newline="")


def _in_the_way(file: Path) -> UsageError:
    return UsageError(Problem(str(file), "", "this file exists.", "Give another --out, or --force to replace it."))


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
