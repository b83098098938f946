"""What visitors send, read as it comes: never more, never longer and never slower than the limits allow."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from evaluation.serve.refusals import Denied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import Request

    from evaluation.serve.settings import Limits

_FIELDS = 10


class Gone(Exception):  # noqa: N818 - the visitor's doing
    """The visitor went away before all was sent."""


def _slow() -> Denied:
    what = "The file came too slowly, or stopped coming."
    return Denied(408, what, "Look to your connection, and send it again.", closing=True)


async def small_form(request: Request, limits: Limits) -> dict[str, str]:
    """The fields of a form without a file.

    Raises
    ------
    Denied
        When it is none, too long or too slow.
    """
    if not _type(request).startswith("application/x-www-form-urlencoded"):
        raise Denied(415, "This is no form of this page.", "Go back to the first page.", closing=True)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.form_seconds):
            async for chunk in _chunks(request):
                body += chunk
                if len(body) > limits.form_bytes:
                    raise Denied(413, "The form is too long.", "Go back, and fill it in again.", closing=True)
    except TimeoutError:
        raise Denied(408, "The form came too slowly.", "Send it again.", closing=True) from None
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body), errors="strict",
                          max_num_fields=_FIELDS)  # fmt: skip
    except ValueError:
        raise Denied(400, "The form cannot be read.", "Go back, and fill it in again.") from None
    return dict(pairs)


async def paced(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """The pieces of a long body.

    Raises
    ------
    Denied
        When it is longer than a file may be (413) or comes too slowly (408).
    Gone
        When the visitor goes away.
    """
    most = limits.file_bytes + 64 * 1024  # the form around the file
    began, got = time.monotonic(), 0
    if _length(request) > most:
        raise too_long(limits)
    chunks = _chunks(request)
    while True:
        left = began + limits.upload_seconds - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, min(limits.silence_seconds, left))):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise _slow() from None
        if chunk is None:
            return
        got += len(chunk)
        if got > most:
            raise too_long(limits)
        taken = time.monotonic() - began
        if taken > limits.grace_seconds and got < taken * limits.bytes_a_second:
            raise _slow()
        yield chunk


async def discard(request: Request, limits: Limits) -> None:
    """Read on for a while without keeping anything: a browser that is still sending would not see the answer."""
    if getattr(request.state, "whole", False):
        return
    got = 0
    try:
        async with asyncio.timeout(limits.form_seconds):
            async for chunk in _chunks(request):
                got += len(chunk)
                if got > limits.file_bytes:
                    return
    except (TimeoutError, Gone):
        return


def too_long(limits: Limits) -> Denied:
    """A file larger than is taken."""
    what = f"The file is larger than {limits.file_bytes / 1024**2:,.0f} MB."
    return Denied(413, what, "Send it as CSV or Parquet, or in parts by period.", closing=True)


def _type(request: Request) -> str:
    return request.headers.get("content-type", "")


def _length(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    return int(text) if text.isdecimal() and len(text) < 16 else 0


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Gone
        request.state.whole = not message.get("more_body", False)
        if body := message.get("body", b""):
            yield body
        if request.state.whole:
            return
