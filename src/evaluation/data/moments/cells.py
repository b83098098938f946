"""Units summed by cluster, cohort and observed periods: where clusters are coarser than units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from evaluation.data.exact import Parts
from evaluation.data.frames import fetched, floats, lean, whole
from evaluation.data.moments.facts import usable
from evaluation.data.moments.gathered import WORD, Gathered, Kinds, Sum, counted, observed, words

if TYPE_CHECKING:
    import narwhals as nw

    from evaluation.data.frames import Columns, Frame, Frames
    from evaluation.data.moments.facts import Facts


def keys(by: str | None, clustered: bool = True) -> list[str]:
    """What units of a row share, beside their periods."""
    return [*(["b"] if by else []), *(["c"] if clustered else []), "g"]


def value(place: int, shift: float, weighted: bool) -> nw.Expr:
    """Weight × (outcome − shift)."""
    import narwhals as nw

    centred = nw.col(f"y{place}") - shift
    return nw.col("w") * centred if weighted else centred


def sums_for(name: str, facts: Facts) -> tuple[Sum, Sum]:
    """Exact sums of the weights and of the weighted outcomes."""
    return (
        Sum("w", Parts.of(facts.weight, facts.n_rows)),
        Sum(name, Parts.of(facts.weight * facts.spread, facts.n_rows)),
    )


def complete(engine: Frames, rows: Frame, periods: int, weighted: bool) -> bool:
    """Whether every unit has all periods, and one weight. One row a unit and period is taken for granted."""
    import narwhals as nw

    found = [nw.len().alias("n")]
    found += [(nw.col("w").max() - nw.col("w").min()).alias("varies")] if weighted else []
    shared = ["n", "varies"] if weighted else ["n"]
    kinds = fetched(engine, lambda: rows.group_by("u").agg(*found).group_by(*shared).agg(nw.len().alias("units")))
    constant = not weighted or bool((floats(kinds["varies"]) == 0).all())
    return constant and bool((whole(kinds["n"]) == periods).all())


def complete_cells(
    engine: Frames, rows: Frame, facts: dict[int, Facts], weighted: bool, by: str | None
) -> dict[int, Gathered]:
    """Moments of outcomes without any gap, by their place: one group-by for all of them."""
    import narwhals as nw

    one = next(iter(facts.values()))
    made = {j: sums_for(f"s{j}", f) for j, f in facts.items()}
    by_weight = made[next(iter(facts))][0]
    asked = [nw.len().alias("n"), *(by_weight.asked(nw.col("w")) if weighted else [])]
    for j, (_, total) in made.items():
        asked += total.asked(value(j, facts[j].shift, weighted))
    table = fetched(engine, lambda: rows.group_by(*keys(by), "t").agg(*asked))
    kinds = Kinds.of(table)
    at = (kinds.row, np.searchsorted(one.times, whole(table["t"])))
    shape = (len(kinds.first), len(one.times))
    counts, weights = np.zeros(shape, np.int64), np.zeros(shape)
    counts[at] = whole(table["n"])
    weights[at] = by_weight.read(table) if weighted else counts[at]
    found = {}
    for j, (_, total) in made.items():
        sums = np.zeros(shape)
        sums[at] = total.read(table)
        found[j] = Gathered(kinds.level, kinds.cluster, kinds.cohort, counts[:, 0], counts, weights, sums,
                            facts[j].shift, constant=True, lost={})  # fmt: skip
    return found


def patterned_cells(
    engine: Frames, rows: Frame, place: int, facts: Facts, weighted: bool, by: str | None
) -> Gathered | None:
    """Moments of an outcome with gaps: units of the same periods are summed. None where weights change within units."""
    import narwhals as nw

    index = engine.table(("t", "k", "word", "bit"), index_of(facts))
    used, by_value = usable(place, weighted), sums_for("s", facts)[1]
    units, kinds = _kinds(engine, rows.join(index, on="t", how="left"), place, facts, weighted, by)
    table = engine.collected(kinds)
    if weighted and floats(table["varies"]).max() > 0:
        return None
    with lean():
        placed = engine.kept(_placed(units, kinds, [*keys(by), *words(len(facts.times))]))
    cells = fetched(
        engine,
        lambda: rows.filter(used).select("u", "t", s=value(place, facts.shift, weighted))
        .join(index.select("t", "k"), on="t")
        .join(placed, on="u")
        .group_by("line", "k").agg(*by_value.asked(nw.col("s")))
    )  # fmt: skip
    return _gathered(table, cells, by_value, facts, weighted)


def index_of(facts: Facts) -> list[tuple[int, ...]]:
    """The periods with their place, and the word and bit of the pattern that stand for them."""
    return [(t, k, k // WORD, 2 ** (k % WORD)) for k, t in enumerate(facts.times.tolist())]


def _kinds(
    engine: Frames, rows: Frame, place: int, facts: Facts, weighted: bool, by: str | None
) -> tuple[Frame, Frame]:
    """Units with what they share with others, and these kinds, numbered by `line`; both held by the engine."""
    import narwhals as nw

    pattern, used = words(len(facts.times)), usable(place, weighted)
    about = [nw.col(k).min() for k in keys(by)]
    about += [nw.when(used & (nw.col("word") == i)).then(nw.col("bit")).sum().alias(p) for i, p in enumerate(pattern)]
    asked = [nw.len().alias("n")]
    if weighted:
        weight = nw.when(used).then(nw.col("w"))
        about += [weight.min().alias("w"), (weight.max() - weight.min()).fill_null(0.0).alias("varies")]
        asked += [nw.col("varies").max(), *sums_for("s", facts)[0].asked(nw.col("w").fill_null(0.0))]
    with lean():
        units = engine.kept(rows.group_by("u").agg(*about).with_columns(nw.col(p).cast(nw.Int64) for p in pattern))
        shared = [*keys(by), *pattern]
        kinds = units.group_by(*shared).agg(*asked).with_row_index("line", order_by=shared)
        return units, engine.kept(kinds)


def _placed(units: Frame, kinds: Frame, shared: Sequence[str]) -> Frame:
    """Units with the line of their kind."""
    return units.join(kinds.select("line", *shared), on=list(shared)).select("u", "line")


def _gathered(table: Columns, cells: Columns, by_value: Sum, facts: Facts, weighted: bool) -> Gathered:
    """Moments from the kinds of units (one a line) and the sums by line and period."""
    kinds = Kinds.of(table, words(len(facts.times)))
    seen, units = observed(table, len(facts.times)), whole(table["n"])
    sums = np.zeros(seen.shape)
    line = np.empty(len(units), dtype=np.int64)
    line[whole(table["line"])] = np.arange(len(units))
    sums[line[whole(cells["line"])], whole(cells["k"])] = by_value.read(cells)
    weights = sums_for("s", facts)[0].read(table) if weighted else units
    level = np.array(kinds.level, dtype=object)
    kept = seen[kinds.first].any(axis=1)
    here = kinds.first[kept]
    return Gathered(
        tuple(level[kept]), kinds.cluster[kept], kinds.cohort[kept], units[here], seen[here] * units[here, None],
        (seen[here] * weights[here, None]).astype(np.float64), sums[here], facts.shift, constant=True,
        lost=counted(tuple(level[~kept]), units[kinds.first[~kept]]))  # fmt: skip
