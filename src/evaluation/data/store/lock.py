"""One writer at a time: a lock of the operating system, gone with the process that holds it however it ends."""

from __future__ import annotations

import fcntl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = "lock"  # the file
PATIENCE = 120.0  # seconds
_PAUSE = 0.05


@contextmanager
def locked(store: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of a store.

    Raises
    ------
    DataError
        When others have held it for longer than `patience` seconds.
    """
    with (store / LOCK).open("a") as file:
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    what = "other submissions have been writing for too long; nothing of this one was stored."
                    raise DataError(Problem(str(store), "", what, "Send it again later.")) from None
                time.sleep(_PAUSE)
        yield
