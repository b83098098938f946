"""Linking people of several agencies: by pass, against a slow reference, never two state numbers as one person."""

import numpy as np
import pyarrow as pa
import pytest

from evaluation.data.intake.pseudonyms import MATCH_KEYS
from evaluation.data.store.linkage import link

KEYS = list(MATCH_KEYS)


def people(*rows):
    columns = list(zip(*rows, strict=True))
    names = ["agency_id", "person_id", *KEYS]
    return pa.table({name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)})


def linked(found):
    rows = found.people.to_pylist()
    return {(r["agency_id"], r["person_id"]): r["linked_id"] for r in rows}


def test_passes_in_order_and_what_each_did():
    found = link(people(
        ("jail", "j1", "S1", None, None, "N1"),
        ("court", "c1", "S1", None, None, None),
        ("clinic", "t1", None, "B1", None, "N1"),
        ("clinic", "t2", None, None, None, "N9"),
    ))  # fmt: skip
    who = linked(found)
    assert who["jail", "j1"] == who["court", "c1"] == who["clinic", "t1"] == "c1"
    assert who["clinic", "t2"] == "t2"
    assert [(p.with_key, p.links, p.refused) for p in found.passes] == [(2, 1, 0), (1, 0, 0), (0, 0, 0), (3, 1, 0)]


def test_two_state_numbers_are_never_one_person():
    found = link(people(
        ("jail", "j1", "S1", None, None, "N1"),
        ("court", "c1", "S2", None, None, "N1"),
        ("clinic", "t1", None, None, None, "N1"),
    ))  # fmt: skip
    assert len(set(linked(found).values())) == 3
    assert found.passes[-1].refused == 2


def _usable(row, rows):
    """A row without the keys that more than two people of one agency have."""
    keys = []
    for place, value in enumerate(row[2:], start=2):
        of = [r[0] for r in rows if r[place] == value]
        keys.append(None if max(of.count(agency) for agency in of) > 2 else value)
    return (*row[:2], *keys)


def _sharing(graph, rows, key):
    """The first two groups of which some share a key."""
    of = [{rows[i][2 + key] for i in group} - {None} for group in graph]
    pairs = ((a, b) for a in range(len(of)) for b in range(a + 1, len(of)) if of[a] & of[b])
    return next(pairs, None)


def _slow(rows):
    """The same by sets of people, one group at a time."""
    rows = [_usable(r, rows) for r in rows]
    groups = [{i} for i in range(len(rows))]
    for key in range(len(KEYS)):
        graph = [set(g) for g in groups]
        while pair := _sharing(graph, rows, key):
            a, b = pair
            graph[a] |= graph.pop(b)
        kept = []
        for joined in graph:
            if len({rows[i][2] for i in joined} - {None}) > 1:
                kept += [g for g in groups if g <= joined]
            else:
                kept.append(joined)
        groups = kept
    return {(rows[i][0], rows[i][1]): min(rows[j][1] for j in g) for g in groups for i in g}


@pytest.mark.parametrize("seed", range(60))
def test_as_a_slow_reference_and_in_any_order(seed):
    draw = np.random.default_rng(seed)
    rows = [
        (f"a{draw.integers(4)}", f"p{i:03d}", *(f"k{draw.integers(14)}" if draw.random() < 0.5 else None for _ in KEYS))
        for i in range(25)
    ]
    expected = _slow(rows)
    assert linked(link(people(*rows))) == expected
    assert linked(link(people(*[rows[i] for i in draw.permutation(25)]))) == expected


def test_a_number_that_many_of_an_agency_have_is_no_number():
    rows = [("jail", f"j{i}", "NONE", None, None, None) for i in range(3)] + [("court", "c1", "NONE", None, None, None)]
    found = link(people(*rows))
    assert len(set(linked(found).values())) == 4
    assert (found.passes[0].with_key, found.passes[0].links, found.passes[0].common) == (0, 0, 4)
