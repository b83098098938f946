"""Nearest spellings: what someone most likely meant by a word that is not in the list."""

from __future__ import annotations

import re
from collections.abc import Iterable


def nearest(word: str, valid: Iterable[str]) -> str | None:
    """The valid word closest to `word` (letter case aside), or the only one that begins with it; else None."""
    from difflib import get_close_matches

    folded = {v.casefold(): v for v in reversed(list(valid))}
    found = get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    if not found and len(word) > 2:
        found = [v for v in folded if v.startswith(word.casefold())]
    return folded[found[0]] if len(found) == 1 else None


def hint(word: str, valid: Iterable[str]) -> str:
    """`; did you mean "x"?`, or a full stop when nothing is near: the end of an error's first sentence."""
    found = nearest(word, valid)
    return f'; did you mean "{found}"?' if found else "."


def listed(words: Iterable[str]) -> str:
    """Words as they stand in a message; `none` for an empty list."""
    return ", ".join(words) or "none"


def slug(text: str) -> str:
    """The nearest valid id: `Per-se laws` becomes `per_se_laws`."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")
    named = plain if plain[:1].isalpha() else f"study_{plain}".rstrip("_")
    return f"{named}_study" if named in ("null", "true", "false") else named
