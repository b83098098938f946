"""One wrong study file, and what must be said about it."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.spec.bases import DATA, STEMS, TEXTS

MARK = "▸"  # in a case's text: where the message must point; taken out before the file is written


@dataclass(frozen=True)
class Case:
    """`edits` turn the valid file into the wrong one; the marked place is where the message must point.

    `data` changes the data instead (or as well). `says` are phrases the message holds.
    """

    name: str
    base: str
    edits: tuple[tuple[str, str], ...]
    key: str
    says: tuple[str, ...]
    data: Callable | None = None
    severity: str = "error"

    def write(self, folder):
        """Write file and data; the file's path and where the message must point."""
        marked = edited(TEXTS[self.base], self.edits)
        path, data = folder / f"{STEMS[self.base]}.yaml", folder / f"{STEMS[self.base]}.parquet"
        path.write_text(marked.replace(MARK, ""), encoding="utf-8")
        frame = DATA[self.base]()
        (self.data(frame) if self.data else frame).to_parquet(data, index=False)
        return path, f"{path}:{position(marked)}"


def edited(text, edits):
    """The text with every edit made; each `old` must be there exactly once."""
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
        text = text.replace(old, new)
    return text


def position(marked):
    """Line and column of the mark, counted from 1."""
    before = marked[: marked.index(MARK)]
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def panel(name, edits, key, *says, **more):
    """A case made from the panel study."""
    return Case(name, "panel", _pairs(edits), key, says, **more)


def cohort(name, edits, key, *says, **more):
    """A case made from the cohort study."""
    return Case(name, "cohort", _pairs(edits), key, says, **more)


def _pairs(edits):
    return (edits,) if edits and isinstance(edits[0], str) else tuple(edits)
