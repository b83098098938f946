"""What a workbook's XML tells beside its values: how far a sheet reaches, formulas whose result was not saved."""

from __future__ import annotations

import re
import zipfile
from html import unescape
from posixpath import join, normpath
from typing import TYPE_CHECKING

from evaluation.data.intake.kinds import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_CELLS = 40_000_000  # of the grid that a sheet spans
_BOOK, _LINKS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_CHUNK, _LONGEST = 1 << 20, 20_000  # bytes read at once; of the longest formula with its cell
_CELL = re.compile(rb"""<(?:\w+:)?c\s(?:[^<>]{0,120}?\s)?r=["']([A-Z]{1,3})(\d{1,7})["']""")
_UNSOLVED = re.compile(
    _CELL.pattern
    + rb"[^<>]{0,120}>\s{0,9}<(?:\w+:)?f\b[^<>]{0,400}(?:/>|>[^<>]{0,9000}</(?:\w+:)?f>)\s{0,9}"
    + rb"(?:</(?:\w+:)?c>|<(?:\w+:)?v\s?/>|<(?:\w+:)?v></)"
)
_TEXT = re.compile(rb"""\st=["']str["']""")  # an empty text is a result


def not_too_large(path: Path) -> None:
    """Look for the farthest cell of every sheet: a sheet is read as a grid, which one cell far out makes endless.

    Raises
    ------
    Unreadable
        When a sheet spans more than `MOST_CELLS` cells.
    """
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if not (name.startswith("xl/worksheets/") and name.endswith(".xml")):
                continue
            rows = columns = 0
            for text in _chunks(archive, name, 200):
                for letters, number in _CELL.findall(text):
                    rows, columns = max(rows, int(number)), max(columns, _place(letters))
            if rows * columns > MOST_CELLS:
                message = f"A sheet of the workbook reaches to row {rows:,} and column {columns:,}."
                raise unreadable(path, message, "Delete what stands far below or right of the table, and save.")


def unsolved(path: Path, sheet: str) -> list[tuple[int, int]]:
    """Row and column (from 1) of a sheet's formulas without a saved result, which read as empty cells."""
    found: set[tuple[int, int]] = set()
    with zipfile.ZipFile(path) as archive:
        name = _part(archive, sheet)
        if name is None:
            return []
        for text in _chunks(archive, name, _LONGEST):
            for match in _UNSOLVED.finditer(text):
                if not _TEXT.search(match[0].split(b">", 1)[0]):
                    found.add((int(match[2]), _place(match[1])))
    return sorted(found)


def _chunks(archive: zipfile.ZipFile, name: str, overlap: int) -> Iterator[bytes]:
    """A part in pieces, each with the end of the one before."""
    rest = b""
    with archive.open(name) as file:
        while chunk := file.read(_CHUNK):
            text = rest + chunk
            yield text
            rest = text[-overlap:]


def _part(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """The part of the archive in which a sheet lies; None where the workbook does not tell."""
    parts = set(archive.namelist())
    if not {_BOOK, _LINKS} <= parts:
        return None
    targets = {a.get("Id"): a.get("Target", "") for a in _elements(archive, _LINKS, "Relationship")}
    for found in _elements(archive, _BOOK, "sheet"):
        if found.get("name") == sheet:
            link = next((v for k, v in found.items() if k.endswith(":id")), None)
            name = normpath(join("/xl", targets.get(link, ""))).lstrip("/")
            return name if name in parts else None
    return None


def _elements(archive: zipfile.ZipFile, part: str, tag: str) -> Iterator[dict[str, str]]:
    """The attributes of all elements of a name. By pattern: a parser of XML would follow what strangers wrote in it."""
    with archive.open(part) as file:
        text = file.read(_CHUNK).decode("utf-8", "replace")
    for element in re.findall(rf"<(?:\w+:)?{tag}\s([^<>]+)>", text):
        found = re.findall(r"""([\w:]{1,40})\s?=\s?(["'])(.*?)\2""", element)
        yield {name: unescape(value) for name, _, value in found}


def _place(letters: bytes) -> int:
    found = 0
    for letter in letters:
        found = 26 * found + letter - 64
    return found
