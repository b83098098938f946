"""What kind of file was received, told from its bytes and not from its name."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

from evaluation.dictionary.findings import Finding

Kind = Literal["csv", "xlsx", "parquet"]
MOST_BYTES = 2_000_000_000
MOST_UNPACKED = 1_000_000_000  # bytes of a workbook once unpacked
MOST_RATIO = 200  # unpacked to packed: more is a zip bomb, no spreadsheet
SEND = "Send a spreadsheet saved as .xlsx, a CSV file, or Parquet."

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"II*\x00", "an image"),
    (b"{\\rtf", "a text document (RTF)"),
    (b"\x1f\x8b", "a compressed file (gzip)"),
    (b"7z\xbc\xaf", "a compressed file (7-Zip)"),
    (b"Rar!", "a compressed file (RAR)"),
    (b"SQLite format 3", "a database file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Unreadable(Exception):  # noqa: N818 - an answer about the file, not an error of the program
    """A file that cannot be read at all; `finding` says what it is and what to send instead."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding.message)


def unreadable(path: Path, message: str, remedy: str = SEND, rule: str = "wrong_file") -> Unreadable:
    """The finding that this file cannot be read, ready to raise."""
    return Unreadable(Finding(path.name, rule, "file", "error", message, remedy))


def kind_of(path: Path) -> Kind:
    """The kind of the file, or raises `Unreadable` with a sentence on what it is instead."""
    if not path.is_file():
        raise unreadable(path, "This is no file." if path.exists() else "There is no such file.", "Give its path.")
    size = path.stat().st_size
    if size == 0:
        raise unreadable(path, "The file is empty: it has 0 bytes.", "Export it again and look that it was saved.")
    if size > MOST_BYTES:
        message = f"The file has {size / 1e9:.1f} GB; at most {MOST_BYTES / 1e9:.0f} GB can be taken at once."
        raise unreadable(path, message, "Send it in parts, by period.")
    with path.open("rb") as file:
        head = file.read(4096)
    for magic, name in _MAGIC:
        if head.startswith(magic):
            raise unreadable(path, f"This is {name}, not a table.")
    if head.startswith(_OLD_OFFICE):
        raise _old_office(path)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zipped(path)
    return _text(path, head)


def _old_office(path: Path) -> Unreadable:
    """A file of Excel before 2007, or any Office file under a password: both have the same beginning."""
    with path.open("rb") as file:
        locked = "EncryptedPackage".encode("utf-16-le") in file.read(1_000_000)
    if locked:
        message = "The workbook is locked with a password."
        return unreadable(path, message, "Save it without a password; the transfer itself is what protects it.")
    message = "This is an Office file of the form used before 2007 (such as .xls)."
    return unreadable(path, message, "Open it in Excel and save it as .xlsx.")


def _zipped(path: Path) -> Kind:
    """A workbook, if the archive holds one of a size that a workbook can have."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        message = "The file breaks off or is damaged: it cannot be unpacked."
        raise unreadable(path, message, "Save it again and send the new copy.") from None
    names = {part.filename for part in parts}
    unpacked = sum(part.file_size for part in parts)
    if unpacked > MOST_UNPACKED or unpacked > MOST_RATIO * max(path.stat().st_size, 50_000):
        message = "Unpacked, the file would be far larger than a spreadsheet can be; it was not opened."
        raise unreadable(path, message, "Send the rows as a CSV file.")
    if "xl/workbook.xml" in names:
        return "xlsx"
    if "xl/workbook.bin" in names:
        raise unreadable(path, "This is a binary workbook (.xlsb).", "Save it as .xlsx.")
    if "word/document.xml" in names:
        raise unreadable(path, "This is a Word document, not a table.")
    if "ppt/presentation.xml" in names:
        raise unreadable(path, "This is a presentation, not a table.")
    if "mimetype" in names and "content.xml" in names:
        raise unreadable(path, "This is an OpenDocument file.", "Save it as .xlsx or CSV.")
    raise unreadable(path, "This is a ZIP archive, not a table.", "Unpack it and send the files one by one.")


def _text(path: Path, head: bytes) -> Kind:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<table", b"<?xml", b"<head", b"<meta")):
        message = "This is a web page or XML, whatever its name says."
        raise unreadable(path, message, "Open it in Excel and save it as .xlsx, or export it as CSV.")
    if start.startswith((b"{", b"[")) and b'"' in start:
        raise unreadable(path, "This is JSON, not a table.")
    if not start:
        raise unreadable(path, "The file holds nothing but blanks.", "Export it again and look at it before sending.")
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff")) or head[1::2].count(0) > len(head) // 4 or (
        head[0::2].count(0) > len(head) // 4)  # fmt: skip
    odd = sum(head.count(bytes([b])) for b in range(32) if b not in (9, 10, 12, 13))
    if odd and not wide:
        raise unreadable(path, "The file is binary: it holds bytes that no text has.")
    return "csv"
