"""The text of a CSV file: which encoding, which separator, and the same in UTF-8."""

from __future__ import annotations

import codecs
import mmap
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.data.intake.kinds import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 22
_SEPARATORS = (",", ";", "\t")
# A line with nothing in it, or a lone carriage return: DuckDB would pass over the one and stumble over the other.
_UNEVEN = re.compile(rb"\n[ \t]*\r?\n|\r(?!\n)|\A[ \t]*\r?\n")


@dataclass(frozen=True)
class Text:
    """A CSV file in UTF-8 without mark: where it lies, its separator, its header, and whether its lines are even.

    `even`: no blank lines and one kind of line end, so that counting records counts the rows of a spreadsheet.
    """

    path: Path
    separator: str
    header: str
    even: bool


def as_text(path: Path, scratch: Path) -> Text:
    """The file as UTF-8; a copy in `scratch` where it is in another encoding.

    Raises
    ------
    Unreadable
        When its bytes are text in none of UTF-8, UTF-16 and Windows-1252.
    """
    encoding = encoding_of(path)
    plain = path
    if encoding != "utf-8":
        plain = scratch / "received.csv"
        try:
            with path.open(encoding=encoding, newline="") as old, plain.open("w", encoding="utf-8", newline="") as new:
                for part in iter(lambda: old.read(_CHUNK), ""):
                    new.write(part)
        except UnicodeError:
            message = "The file's text is damaged: its bytes are in no known encoding."
            raise unreadable(path, message, "Export it again, as CSV in UTF-8.") from None
    header = _first_record(plain)
    return Text(plain, _separator(header), header, _even(plain))


def encoding_of(path: Path) -> str:
    """`utf-8`, `utf-8-sig`, `utf-16`, `utf-16-le`, `utf-16-be` or `cp1252`, by mark, else by what decodes."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head[1::2].count(0) > len(head) // 4:
        return "utf-16-le"
    if head[0::2].count(0) > len(head) // 4:
        return "utf-16-be"
    return "utf-8" if _decodes(path) else "cp1252"


def _decodes(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in _chunks(path):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(_CHUNK), b"")


def _first_record(path: Path) -> str:
    """The header's line; line ends within quotes belong to it."""
    with path.open(encoding="utf-8", newline="") as file:
        start = file.read(_CHUNK)
    quoted = False
    for place, letter in enumerate(start):
        if letter == '"':
            quoted = not quoted
        elif letter in "\r\n" and not quoted:
            return start[:place]
    return start


def _separator(header: str) -> str:
    """The separator that the header has most of; a comma where it has none."""
    bare = re.sub(r'"[^"]*"', "", header)
    return max(_SEPARATORS, key=bare.count)


def _even(path: Path) -> bool:
    if not path.stat().st_size:
        return True
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(b"\r") < 0 and all(content.find(b"\n" + b) < 0 for b in (b"\n", b" ", b"\t")):
            return not content[:1].isspace()
        if _UNEVEN.search(content):
            return False
        return not (re.search(rb"\r\n", content) and re.search(rb"(?<!\r)\n", content))
