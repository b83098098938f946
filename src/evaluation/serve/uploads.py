"""A form with a file, written to the disk as it comes.

What the browser calls the file is shown to the clerk and nothing else: the file on the disk has a name of ours.
"""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from evaluation.serve.bodies import Gone, paced, too_long
from evaluation.serve.refusals import Denied

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import FileIO
    from pathlib import Path

    from fastapi import Request

    from evaluation.serve.settings import Limits

FILE = "file"
FIELDS = frozenset({"csrf", "table", "period", "nothing", "do"})
_LONGEST_FIELD, _LONGEST_HEADER, _SHOWN = 512, 2048, 100
_WRITE = 1 << 20  # bytes gathered before they are written


@dataclass
class Form:
    """The fields of the form, what the browser calls the file, and how many bytes of it were written."""

    fields: dict[str, str] = field(default_factory=dict)
    name: str = ""
    size: int = 0


def _odd() -> Denied:
    return Denied(400, "The form cannot be read.", "Open the page again, and fill in the form there.", closing=True)


class _Parts:
    """Takes apart what comes: fields are kept, the bytes of the file gathered in `pending`."""

    def __init__(self, before_file: Callable[[Form], None]) -> None:
        self.form, self.pending = Form(), bytearray()
        self.ended = False
        self._before_file = before_file
        self._header, self._value, self._said = bytearray(), bytearray(), b""
        self._name, self._text = "", bytearray()
        self._seen: set[str] = set()

    def part_begin(self) -> None:
        self._name, self._said = "", b""
        self._text.clear()

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._said = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def headers_finished(self) -> None:
        kind, options = parse_options_header(self._said)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if kind != b"form-data" or self._name not in FIELDS | {FILE} or self._name in self._seen:
            raise _odd()
        self._seen.add(self._name)
        if (self._name == FILE) != (b"filename" in options):
            raise _odd()
        if self._name == FILE:
            self.form.name = shown_name(options[b"filename"].decode("utf-8", "replace"))
            self._before_file(self.form)

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == FILE:
            self.pending += data[start:end]
            return
        self._text += data[start:end]
        if len(self._text) > _LONGEST_FIELD:
            raise _odd()

    def part_end(self) -> None:
        if self._name != FILE:
            self.form.fields[self._name] = self._text.decode("utf-8", "replace").strip()

    def end(self) -> None:
        self.ended = True


async def receive_form(
    request: Request, limits: Limits, target: Path, before_file: Callable[[Form], None]
) -> Form:  # fmt: skip
    """Read a form; its file comes into `target`, which nobody else may read.

    `before_file` looks at the fields as soon as the file begins, and raises where the file is not wanted.

    Raises
    ------
    Denied
        When the form is none of ours, or what comes is too long or too slow.
    Gone
        When the visitor goes away.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not 0 < len(options.get(b"boundary", b"")) <= 200:
        raise Denied(415, "This is no form of this page.", "Go back to the first page.", closing=True)
    parts = _Parts(before_file)
    try:
        parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": parts.part_begin, "on_part_data": parts.part_data, "on_part_end": parts.part_end,
                "on_header_field": parts.header_field, "on_header_value": parts.header_value,
                "on_header_end": parts.header_end, "on_headers_finished": parts.headers_finished,
                "on_end": parts.end,
            },
            max_header_size=_LONGEST_HEADER,
        )  # fmt: skip
        with os.fdopen(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb", buffering=0) as file:
            async for chunk in paced(request, limits):
                parser.write(chunk)
                if len(parts.pending) >= _WRITE:
                    await _written(file, parts, limits)
            await _written(file, parts, limits)
    except MultipartParseError:
        raise _odd() from None
    if not parts.ended:
        raise Gone
    return parts.form


async def _written(file: FileIO, parts: _Parts, limits: Limits) -> None:
    content = bytes(parts.pending)
    parts.pending.clear()
    parts.form.size += len(content)
    if parts.form.size > limits.file_bytes:
        raise too_long(limits)
    await run_in_threadpool(file.write, content)


def shown_name(text: str) -> str:
    """A file's name as it may be shown: without folders, control characters and marks that turn the writing round."""
    last = text.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(c for c in last if unicodedata.category(c)[0] != "C")
    return kept.strip()[:_SHOWN]
