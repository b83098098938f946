"""Reading the YAML files of `data_dictionary/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def read_yaml(path: Path) -> Any:
    """Content of one of the project's own YAML files, as plain dicts and lists."""
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
