"""Who is the same person at several agencies: by match keys, the surest first, never against a state number.

Passes are deterministic: people who share a key are one person, unless that would join two different state numbers;
then they stay apart and are counted. A key that more than two people of one agency have is none (a number written where
there is none, a very common name), and is not used; they are counted too. What linkage misses makes outcomes look
better than they are (an arrest that is not found is no arrest), so its rates are told by agency, year of birth, sex and
race.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.data.intake.pseudonyms import MATCH_KEYS

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

STATE = "match_state_id"
MOST = 2  # people of one agency who may share a key: one entered twice


@dataclass(frozen=True)
class Pass:
    """What one match key did: people (of an agency) who have it, links it made, links refused, and people whose key
    was not used because too many have it."""

    key: str
    with_key: int
    links: int
    refused: int
    common: int = 0


@dataclass(frozen=True)
class Linkage:
    """Each person of each agency (rows as given) and the person that they are."""

    people: pa.Table  # agency_id, person_id (the agency's token), linked_id
    passes: tuple[Pass, ...]


def link(people: pa.Table) -> Linkage:
    """Link rows with the columns `agency_id`, `person_id` and the match keys (tokens, NULL where unknown).

    The order of the rows does not matter: a linked id is the smallest token among its people.
    """
    import pyarrow as pa

    ordered = people.sort_by([("person_id", "ascending"), ("agency_id", "ascending")])
    n = ordered.num_rows
    label: Integers = np.arange(n)
    agencies = _codes(ordered["agency_id"])
    states, _ = _used(_codes(ordered[STATE]), agencies)
    passes = []
    for key in MATCH_KEYS:
        codes, common = _used(_codes(ordered[key]), agencies)
        joined, refused = _merged(label, codes, states)
        passes.append(Pass(key, int((codes >= 0).sum()), _n(label) - _n(joined), refused, common))
        label = joined
    _, first = np.unique(label, return_index=True)
    names = ordered["person_id"].combine_chunks().take(pa.array(first[np.searchsorted(np.unique(label), label)]))
    linked = pa.table({"agency_id": ordered["agency_id"], "person_id": ordered["person_id"], "linked_id": names})
    return Linkage(linked, tuple(passes))


def _used(codes: Integers, agencies: Integers) -> tuple[Integers, int]:
    """The codes without those that more than `MOST` people of one agency have; and how many people have such."""
    has = codes >= 0
    pairs = np.column_stack([codes[has], agencies[has]])
    if not len(pairs):
        return codes, 0
    values, times = np.unique(pairs, axis=0, return_counts=True)
    common = np.isin(codes, values[times > MOST, 0]) & has
    return np.where(common, -1, codes), int(common.sum())


def _n(label: Integers) -> int:
    return len(np.unique(label))


def _codes(column: pa.ChunkedArray) -> Integers:
    """Numbers for a column's values; -1 where missing."""
    import pyarrow.compute as pc

    indices = column.combine_chunks().dictionary_encode().indices
    return np.asarray(pc.fill_null(indices, -1).to_numpy(zero_copy_only=False), np.int64)


def _merged(label: Integers, codes: Integers, states: Integers) -> tuple[Integers, int]:
    """Labels with the people joined who share a code, but for groups in which two state numbers would meet."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    has = codes >= 0
    if not has.any():
        return label, 0
    n, m = int(label.max()) + 1, int(codes.max()) + 1
    ends = (label[has], n + codes[has])
    graph = coo_array((np.ones(int(has.sum()), np.int8), ends), shape=(n + m, n + m))
    _, component = connected_components(graph, directed=False)
    group = np.asarray(component[:n][label], np.int64)  # of each row
    known = states >= 0
    pairs = np.unique(np.column_stack([group[known], states[known]]), axis=0)
    met, times = np.unique(pairs[:, 0], return_counts=True)
    clash = np.isin(group, met[times > 1])
    smallest = np.full(int(component.max()) + 1, n, np.int64)
    np.minimum.at(smallest, group, label)
    refused = _n(label[clash]) - _n(group[clash]) if clash.any() else 0
    return np.where(clash, label, smallest[group]), refused
