"""Who stays in the cohort, and what they were like at their index date."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evaluation.data.assemble.cohort import lookback
from evaluation.data.assemble.cohort.case import DEATHS, Case
from evaluation.data.assemble.cohort.times import birthday, whole_months
from evaluation.results import Check, FlowStep

if TYPE_CHECKING:
    from evaluation.data.assemble.cohort.index import Own
    from evaluation.study.cohort_building import Characteristic, Rule


@dataclass
class Rules:
    """The rules of a design, in the order in which they are applied."""

    steps: list[tuple[str, Rule, str]] = field(default_factory=list)  # step, rule, SQL of those who stay
    asks: list[lookback.Ask] = field(default_factory=list)

    @classmethod
    def of(cls, case: Case, own: Own) -> Rules:
        """The rules; what they want of the index event's own row is noted in `own`."""
        made = cls()
        for kind, rules in (("include", case.design.include), ("exclude", case.design.exclude)):
            for i, rule in enumerate(rules):
                name = f"{kind}_{i + 1}"
                if rule.table is None:
                    met = f"c.{own.filter(rule.where)} > 0"
                else:
                    made.asks.append(lookback.Ask(name, rule.table, rule.date, rule.within, rule.where))
                    met = f"coalesce({name}, 0) > 0"
                made.steps.append((name, rule, met if kind == "include" else f"NOT ({met})"))
        return made


def kept(case: Case, own: Own, rules: Rules) -> Iterator[FlowStep]:
    """Make `cohort` (r, p, d, a, death, own …, weight): those alive at their index date whom the rules let in."""
    sql = case.sql
    level = "row" if case.every_event else "person"
    tables = lookback.counted(case, "picked", rules.asks, "rule")
    joined = " ".join(f"LEFT JOIN {t} ON {t}.r = c.r" for t in tables)
    cases = ["WHEN c.death < c.d THEN 1"] + [f"WHEN NOT ({m}) THEN {i}" for i, (_, _, m) in enumerate(rules.steps, 2)]
    sql.make("judged", f"SELECT c.*, CASE {' '.join(cases)} ELSE 0 END AS gone FROM picked AS c {joined}")
    out = dict(sql.rows("SELECT gone, count(*) FROM judged GROUP BY gone"))
    listed = ", ".join(["r", "p", "d", "a", "death", *own.names])
    weight = (
        ", CAST(1 AS DOUBLE) / CAST(count(*) OVER (PARTITION BY p) AS DOUBLE) AS weight" if case.every_event else ""
    )
    sql.make("cohort", f"SELECT {listed}{weight} FROM judged WHERE gone = 0")
    sql.drop("picked", "judged", *tables)
    left = sum(out.values())
    steps = [("died_before", "Died before the index date"), *((s, rule.reason) for s, rule, _ in rules.steps)]
    for i, (step, reason) in enumerate(steps, 1):
        if step != "died_before" or DEATHS in case.tables:
            left -= out.get(i, 0)
            yield FlowStep(step, reason, level, out.get(i, 0), left)


@dataclass
class Traits:
    """The characteristics of a design: SQL of each over `cohort` as c, and the tables it needs."""

    columns: list[tuple[str, str]] = field(default_factory=list)
    asks: list[lookback.Ask] = field(default_factory=list)
    looks: list[lookback.Look] = field(default_factory=list)

    @classmethod
    def of(cls, case: Case, own: Own) -> Traits:
        """The characteristics; what they want of the index event's own row is noted in `own`."""
        made = cls()
        for i, (name, trait) in enumerate(case.design.characteristics.items()):
            made.columns.append((name, made._column(case, own, f"k{i}", trait)))
        return made

    def _column(self, case: Case, own: Own, alias: str, trait: Characteristic) -> str:
        asked = trait.age_from or trait.column
        if asked is None:
            assert trait.table is not None  # noqa: S101 - the study file was judged
            self.asks.append(lookback.Ask(alias, trait.table, trait.date, trait.within, trait.where))
            return f"coalesce({alias}, 0)" if trait.measure == "count" else f"(CASE WHEN {alias} > 0 THEN 1 ELSE 0 END)"
        if trait.table is None:
            value = f"c.{own.value(asked)}"
        else:
            self.looks.append(lookback.Look(alias, trait.table, asked, trait.where, day=trait.age_from is not None))
            value = alias
        if trait.age_from:
            year = trait.table is None and case.tables[case.design.index.table].is_number(asked)
            return _age(case, birthday(value) if year else f"CAST({value} AS DATE)")
        if trait.equals is None:
            return f"CAST({value} AS DOUBLE)"
        tables = [trait.table] if trait.table else [case.design.index.table, case.design.comparison.table]
        text = any(case.tables[t].columns[asked] == "VARCHAR" for t in tables)
        held = case.sql.among(value, trait.equals, text=text)
        return f"CASE WHEN {value} IS NULL THEN NULL WHEN {held} THEN 1 ELSE 0 END"


def _age(case: Case, born: str) -> str:
    """Whole years completed at the index date; missing where that lies before birth."""
    months = whole_months(case.sql, born, "c.d")
    return f"CASE WHEN {born} <= c.d THEN CAST(floor(CAST({months} AS DOUBLE) / CAST(12 AS DOUBLE)) AS INTEGER) END"


def characteristics(case: Case, traits: Traits) -> Iterator[Check]:
    """Make `traits` (r, z0 …: the characteristics in order), and tell whose rows differ."""
    if not traits.columns:
        return
    sql = case.sql
    by_row = lookback.counted(case, "cohort", traits.asks, "back")
    by_person = lookback.found(case, "cohort", traits.looks, "look")
    joined = " ".join(
        [f"LEFT JOIN {t} ON {t}.r = c.r" for t in by_row] + [f"LEFT JOIN {t} ON {t}.p = c.p" for t in by_person]
    )
    columns = ", ".join(f"{expression} AS z{i}" for i, (_, expression) in enumerate(traits.columns))
    sql.make("traits", f"SELECT c.r, {columns} FROM cohort AS c {joined}")
    names = [name for name, trait in case.design.characteristics.items() if trait.table and _looked(trait)]
    for look, name in zip(traits.looks, names, strict=True):
        table = by_person[list(dict.fromkeys(one.table for one in traits.looks)).index(look.table)]
        differ = sql.rows(f"SELECT coalesce(sum({look.name}_differ), 0) FROM {table}")[0][0]
        if differ:
            what = (
                f"{int(differ):,} people have several rows in {look.table} whose {look.column} differs: "
                f"their {name} counts as missing."
            )
            yield Check("differing_rows", "warn", what, term=name, statistic=float(differ), counts=(int(differ),))
    sql.drop(*by_row, *by_person)


def _looked(trait: Characteristic) -> bool:
    return bool(trait.column or trait.age_from)
