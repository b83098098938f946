"""Private folders for what is read and made on the way: gone with their process, or with the next one."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path


def passing(prefix: str) -> Path:
    """A folder that nobody else may read and that goes with the process, however that ends: what a killed process left
    is cleared away here."""
    sweep(prefix)
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def sweep(prefix: str) -> None:
    """Clear away the folders with this prefix, of this user, whose process is gone."""
    for old in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(FileNotFoundError):  # another process clears up too
            if old.stat().st_uid == os.getuid() and not _alive(old.name.removeprefix(prefix).split("-")[0]):
                shutil.rmtree(old, ignore_errors=True)


def _alive(number: str) -> bool:
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
