"""Cross-products of the outcomes of units that are clusters of their own, summed by cohort and observed periods.

The variance of an estimate is a sum over units of squares of something linear in the unit's outcomes. Units of one
cohort and pattern share its coefficients, so the products of their outcomes, two periods at a time, are all of it:
memory follows the number of patterns, not of units. Outcomes are centred by their mean first, so that products
differ in the digits that matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from evaluation.data.exact import Parts
from evaluation.data.frames import fetched, floats, lean, whole
from evaluation.data.moments.cells import keys
from evaluation.data.moments.facts import usable
from evaluation.data.moments.gathered import WORD, Gathered, Kinds, Sum, counted, observed, words
from evaluation.errors import NotEstimable

if TYPE_CHECKING:
    import narwhals as nw

    from evaluation.data.frames import Frame, Frames
    from evaluation.data.moments.facts import Facts
    from evaluation.data.moments.model import Floats, Integers, Mask

AT_ONCE = 200  # sums in one query
ALONE = -1  # the place of sums that are no products
LARGEST = 1e140  # the square of what is summed must be a number


@dataclass(frozen=True)
class _Product:
    """A sum to ask for: of the product of two columns, into a cell of the cross-products."""

    first: str
    second: str
    into: tuple[int, int]
    total: Sum

    @property
    def value(self) -> nw.Expr:
        import narwhals as nw

        return nw.col(self.first) * nw.col(self.second)


def cross_products(
    engine: Frames, rows: Frame, place: int, facts: Facts, shift: float, weighted: bool, by: str | None
) -> Gathered | None:
    """Moments with `cross`, of outcomes less `shift`. None where weights change within units."""
    import narwhals as nw

    with lean():
        wide = _wide(rows, place, facts, shift, weighted, by)
    made = list(_products(facts, shift, weighted))
    if len(made) > AT_ONCE:
        wide = engine.kept(wide)
    shared = [*keys(by, clustered=False), *words(len(facts.times))]
    about = [nw.len().alias("n"), *([nw.col("varies").max()] if weighted else [])]
    found: dict[tuple[int, int], Floats] = {}
    for start in range(0, len(made), AT_ONCE):
        some = made[start : start + AT_ONCE]
        asked = [part for product in some for part in product.total.asked(product.value)]
        table = fetched(engine, partial(_summed, wide, shared, [*about, *asked]))
        kinds = Kinds.of(table, words(len(facts.times)))
        found.update({product.into: product.total.read(table)[kinds.first] for product in some})
    if weighted and floats(table["varies"]).max() > 0:
        return None
    seen = observed(table, len(facts.times))[kinds.first]
    return gathered(kinds, seen, whole(table["n"])[kinds.first], found, shift)


def _summed(wide: Frame, shared: list[str], asked: list[nw.Expr]) -> Frame:
    return wide.group_by(*shared).agg(*asked)


def mean(engine: Frames, rows: Frame, place: int, facts: Facts, weighted: bool) -> float:
    """The outcome's mean, from an exact sum.

    Raises
    ------
    NotEstimable
        When squares of the weighted outcomes would be no numbers.
    """
    import narwhals as nw

    size = facts.weight * facts.spread
    if size and not 1 / LARGEST < size < LARGEST:
        raise NotEstimable(
            "The outcome times the largest weight is beyond what can be reckoned with: give it in another unit, or "
            "correct the data."
        )
    total = Sum("s", Parts.of(facts.spread, facts.n_rows))
    found = fetched(
        engine, lambda: rows.filter(usable(place, weighted)).select(*total.asked(nw.col(f"y{place}") - facts.shift))
    )
    return facts.shift + float(total.read(found)[0]) / int(facts.used.sum())


def _wide(rows: Frame, place: int, facts: Facts, shift: float, weighted: bool, by: str | None) -> Frame:
    """One row a unit: cohort, level, pattern, its weight `v0`, its weighted outcomes `v1` to `vT` (0 where none)."""
    import narwhals as nw

    y, used = nw.col(f"y{place}"), usable(place, weighted)
    about = [nw.col(k).min() for k in keys(by, clustered=False)]
    about += [
        nw.when(used & (nw.col("t") == t)).then(y).max().alias(f"y{k}") for k, t in enumerate(facts.times.tolist())
    ]
    if weighted:
        weight = nw.when(used).then(nw.col("w"))
        about += [weight.min().alias("v0"), (weight.max() - weight.min()).fill_null(0.0).alias("varies")]
    units = rows.group_by("u").agg(*about)
    units = units.with_columns(one=nw.lit(1.0)) if weighted else units.with_columns(v0=nw.lit(1.0))
    held = {}
    for i, p in enumerate(words(len(facts.times))):
        mine = range(i * WORD, min((i + 1) * WORD, len(facts.times)))
        marks = [nw.when(~nw.col(f"y{k}").is_null()).then(2 ** (k % WORD)).otherwise(0) for k in mine]
        held[p] = sum(marks[1:], marks[0])
    made = {f"v{k + 1}": (nw.col("v0") * (nw.col(f"y{k}") - shift)).fill_null(0.0) for k in range(len(facts.times))}
    kept = [*keys(by, clustered=False), "v0", *(["one", "varies"] if weighted else [])]
    return units.select(*kept, **held, **made)


def bounds(facts: Facts, shift: float) -> tuple[float, float]:
    """How large weights can be, and weighted outcomes less `shift`."""
    return facts.weight, facts.weight * (facts.spread + abs(shift - facts.shift))


def _products(facts: Facts, shift: float, weighted: bool) -> Iterator[_Product]:
    """Every pair of weight and weighted outcomes and, where weights are not 1, each alone (a pair with `one`)."""
    periods = len(facts.times)
    alone, outcome = bounds(facts, shift)
    bound = [alone] + [outcome] * periods
    for i in range(periods + 1):
        for j in range(i, periods + 1):
            yield _Product(f"v{i}", f"v{j}", (i, j), Sum(f"m{i}_{j}", Parts.of(bound[i] * bound[j], facts.n_rows)))
    for j in range(periods + 1 if weighted else 0):
        yield _Product("one", f"v{j}", (ALONE, j), Sum(f"m{j}", Parts.of(bound[j], facts.n_rows)))


def gathered(kinds: Kinds, seen: Mask, units: Integers, found: dict[tuple[int, int], Floats], shift: float) -> Gathered:
    """Moments from the sums of products (by place) of R kinds, those without any outcome among them."""
    periods = seen.shape[1]
    cross = np.zeros((len(units), 1 + periods, 1 + periods))
    for (i, j), total in found.items():
        if i != ALONE:
            cross[:, i, j] = cross[:, j, i] = total
    alone = np.stack([found.get((ALONE, j), found[0, j]) for j in range(periods + 1)], axis=1)
    kept = seen.any(axis=1)
    level = np.array(kinds.level, dtype=object)
    return Gathered(
        tuple(level[kept]), np.arange(int(kept.sum())), kinds.cohort[kept], units[kept],
        (seen * units[:, None])[kept], (seen * alone[:, :1])[kept], alone[kept, 1:], shift, constant=True,
        lost=counted(tuple(level[~kept]), units[~kept]), cross=cross[kept])  # fmt: skip
