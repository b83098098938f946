"""Where the package data lie: inside an installed wheel, or in the root folders of a checkout.

`data_dictionary/`, `reports/` and `studies/` are the one source; the wheel carries copies under
`evaluation/_files/`, put there by the build (see `pyproject.toml`).
"""

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder of package data called `name` (`data_dictionary`, `reports` or `studies`)."""
    installed = _HERE / "_files" / name
    return installed if installed.is_dir() else _HERE.parents[1] / name
