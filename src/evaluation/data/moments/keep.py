"""Moments reckoned once and used again: within a run by every analysis, and from one run to the next on disk.

On disk they lie in a folder of the study's own that nobody but its owner can open and that is no part of a release:
moments of small groups are as confidential as the rows. Entries are found by a hash of the files' content, the
columns' roles and the outcome, so that none can outlive its data; one that is damaged is reckoned anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluation import __version__
from evaluation.data.moments.model import PanelMoments
from evaluation.data.moments.scan import panel_moments_of
from evaluation.results import FlowStep

if TYPE_CHECKING:
    from evaluation.data.panel import Panel
    from evaluation.study.models import Outcome

WORTH = 64 * 2**20  # bytes of data from which to look on disk: smaller data are scanned as fast
ARRAYS = ("times", "cluster", "cohort", "units", "counts", "weights", "sums", "cross")
DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)


def holding(panel: Panel, outcomes: Sequence[Outcome], folder: Path | None = None) -> Panel:
    """The panel with the moments of `outcomes` in hand, from `folder` where they lie there, else from one scan."""
    wanted = list(dict.fromkeys(outcomes))
    kept = _Folder(folder, panel) if folder is not None and _worth(panel.source.files) else None
    found = {o: held for o in wanted if kept and (held := kept.read(o)) is not None}
    missing = [o for o in wanted if o not in found]
    made = panel_moments_of(panel, missing) if missing else {}
    if kept:
        kept.write({o: new for o in missing if isinstance(new := made[o.id], PanelMoments)}, list(found))
    return replace(panel, held={**panel.held, **found, **{o: made[o.id] for o in missing}})


def _worth(files: Sequence[str]) -> bool:
    try:
        return sum(Path(f).stat().st_size for f in files) >= WORTH
    except OSError:  # not on this machine: its content has no hash here
        return False


class _Folder:
    """Moments on disk, one file an outcome; what no longer fits the data is removed at the next write."""

    def __init__(self, folder: Path, panel: Panel) -> None:
        self.folder = folder
        about = hashlib.sha256(__version__.encode())
        for file in panel.source.files:
            with Path(file).open("rb") as handle:
                about.update(hashlib.file_digest(handle, "sha256").digest())
            about.update(file.encode())  # folders' names can be columns
        roles = (panel.unit, panel.time, panel.cohort, panel.cluster, panel.weights)
        self.about = hashlib.sha256(json.dumps([about.hexdigest(), *roles]).encode()).hexdigest()

    def key(self, outcome: Outcome) -> str:
        """What the outcome's moments are found by; the label stands in the flow."""
        return hashlib.sha256(json.dumps([self.about, outcome.column, outcome.label]).encode()).hexdigest()

    def read(self, outcome: Outcome) -> PanelMoments | None:
        """The moments, None where they are not there or damaged."""
        key = self.key(outcome)
        try:
            with np.load(self.folder / f"{key}.npz", allow_pickle=False) as held:
                about = json.loads(str(held["about"]))
                if about.pop("key") != key:
                    return None
                flow = tuple(FlowStep(**step) for step in about.pop("flow"))
                return PanelMoments(**{a: held[a] for a in ARRAYS if a in held}, **about, flow=flow)
        except DAMAGE:
            return None

    def write(self, made: dict[Outcome, PanelMoments], used: Sequence[Outcome]) -> None:
        """Keep moments; a folder that cannot be written is no reason to fail."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for outcome, moments in made.items():
                self._write_one(self.key(outcome), moments)
            current = {f"{self.key(o)}.npz" for o in (*made, *used)}
            for old in self.folder.glob("*.npz"):
                if old.name not in current:
                    old.unlink()
        except OSError:
            return

    def _write_one(self, key: str, moments: PanelMoments) -> None:
        arrays = {a: value for a in ARRAYS if (value := getattr(moments, a)) is not None}
        plain = {a: getattr(moments, a) for a in ("shift", "spread", "constant_weights")}
        about = json.dumps({"key": key, **plain, "flow": [asdict(step) for step in moments.flow]})
        handle, aside = tempfile.mkstemp(suffix=".incoming", dir=self.folder)
        with os.fdopen(handle, "wb") as file:
            np.savez(file, about=np.array(about), **arrays)
        Path(aside).replace(self.folder / f"{key}.npz")
