"""The catalogue of intervention kinds: what each is, and the study that usually evaluates it."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from evaluation import resources
from evaluation.dictionary.files import read_yaml

Archetype = Literal["A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "A11", "A12", "A13"]


class Kind(BaseModel):
    """One kind of intervention.

    `outcomes` may change because of it; `outputs` are what the program itself produces. `archetypes` are the
    study forms that suit it, most usual first; `design` says in words how it is usually evaluated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str
    description: str
    archetypes: tuple[Archetype, ...] = Field(min_length=1)
    outcomes: tuple[str, ...] = Field(min_length=1)
    outputs: tuple[str, ...] = Field(min_length=1)
    design: str


@cache
def kinds() -> dict[str, Kind]:
    """Every kind of intervention by id, in the order of `interventions.yaml`."""
    entries: list[dict[str, Any]] = read_yaml(resources.folder("data_dictionary") / "interventions.yaml")[
        "interventions"
    ]
    found = [Kind.model_validate(entry) for entry in entries]
    return {kind.id: kind for kind in found}
