"""Commands that tell agencies what to send."""

from __future__ import annotations

import json
import re
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
_UNCHECKED = (
    "REDCap has no place for keys, rules, forms of texts, units and marks for missing values, and does not check them; "
    "they stand in the field annotations, so that nothing is lost when the file is read back."
)


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
    _together(one, search, codes, to, from_redcap, out)
    if out is not None and from_redcap is not None:
        _from_redcap(from_redcap, out, force, as_json)
    elif out is not None and to is not None:
        _write({out: _exported(chosen, to).encode()}, force)
        _written([out], as_json)
        if to == "redcap":
            tell(_UNCHECKED)
    elif search is not None:
        hits = found(search, one)
        if as_json:
            print_json([asdict(h) for h in hits])
        elif hits:
            print_table("", ("table", "field", "title"), [(h.table, h.field, h.title) for h in hits])
        else:
            tell(f'No field has "{search}" in its names, texts or codes.')
    elif as_json:
        print_json(datapackage(chosen)["resources"])
    elif one is not None:
        say(page(one, all_codes=codes))
    else:
        rows = [(t.name, t.title, t.frequency, str(len(t.fields))) for t in chosen]
        print_table("", ("table", "title", "sent every", "fields"), rows)
    return 0


def _together(
    one: Table | None, search: str | None, codes: bool, to: Form | None, from_redcap: Path | None, out: Path | None
) -> None:
    """Refuse options of which one would be ignored."""
    writes = "--to" if to is not None else "--from-redcap"
    if to is not None and from_redcap is not None:
        raise _misused("--to", "--to and --from-redcap exclude each other.", "Give one of them.")
    if (to is None and from_redcap is None) != (out is None):
        fix = "Name what to write with --to or --from-redcap, and where with --out."
        raise _misused("--out", "--out goes with --to or --from-redcap.", fix)
    if one is not None and from_redcap is not None:
        raise _misused("TABLE", "--from-redcap reads all forms of a file, and takes no TABLE.", "Leave TABLE out.")
    if search is not None and out is not None:
        raise _misused("--search", f"--search and {writes} exclude each other.", "Give one of them.")
    if codes and (one is None or search is not None or out is not None):
        raise _misused("--codes", "--codes shows the codes of one table.", "Give a TABLE, and nothing else.")


def _misused(key: str, what: str, fix: str) -> UsageError:
    return UsageError(Problem("", key, what, fix))


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
    files = {out / name: text.encode() for name, text in done.files.items()}
    _write(files, force)
    if as_json:
        print_json({"files": [str(file) for file in files], "not_carried": list(done.not_carried)})
        return
    _written([*files], as_json)
    for text in done.not_carried:
        tell(text)


def _write(files: dict[Path, bytes], force: bool) -> None:
    """Write files, each whole or not at all, and none where one would replace another unasked."""
    from evaluation.data.store.files import whole

    for file in files:
        if file.exists() and not force:
            what = "this file exists."
            raise UsageError(Problem(str(file), "", what, "Give another --out, or --force to replace it."))
    for file, content in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file) as draft:
            draft.write_bytes(content)


def _written(files: Sequence[Path], as_json: bool) -> None:
    if as_json:
        print_json({"files": [str(file) for file in files]})
        return
    for file in files:
        say(str(file))


def template(
    table: str,
    /,
    *,
    to: Literal["xlsx", "csv"],
    agency: str,
    out: Annotated[Path, Parameter(name="--out")] = Path(),
    as_json: AsJson = False,
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
    if not re.fullmatch("[a-z][a-z0-9_]*", agency):
        fix = "Take the id from the store's agencies.yaml: small letters, digits and underscores."
        raise _misused("--agency", "this is no id of an agency.", fix)
    file = out / f"{asked.name}.{to}"
    if file.exists():
        raise UsageError(Problem(str(file), "", "this file exists; it may be filled already.", "Give another --out."))
    if to == "xlsx":
        from evaluation.dictionary.templates.xlsx import workbook

        content = workbook(asked, agency)
    else:
        content = (",".join(f.name for f in asked.fields) + "\r\n").encode("utf-8-sig")
    _write({file: content}, force=False)
    _written([file], as_json)
    return 0
