"""The study file as frozen models. They know names, not classes: estimators and data are checked elsewhere."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
ColumnName = Annotated[str, StringConstraints(min_length=1)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class LogicModel(Model):
    inputs: list[str] = []
    activities: list[str] = []
    outputs: list[str] = []
    outcomes: list[str] = []


class Intervention(Model):
    """What was done, to whom it is compared, in words a funder understands."""

    kind: Identifier
    name: Text
    description: Text
    comparison: str = ""  # what the others had instead; shown in the report
    logic_model: LogicModel | None = None


class Data(Model):
    path: str | list[str] | None = None  # a file, a folder, a glob, or a list of them
    store: bool = False
    source: str = ""  # citation of the data, shown in the report


class PanelDesign(Model):
    type: Literal["panel"]
    unit: ColumnName
    time: ColumnName
    cohort: ColumnName
    cluster: ColumnName | None = None  # default: unit
    weights: ColumnName | None = None
    time_unit: Literal["year", "quarter", "month", "week", "day", "period"] = "period"
    unit_label: str = "units"  # plural noun for the report: states, counties
    units_are: Literal["people", "places"] = "people"  # disclosure control protects people, not places

    @property
    def cluster_column(self) -> str:
        return self.cluster or self.unit


class CohortDesign(Model):
    type: Literal["cohort"]
    arm: ColumnName
    assignment: Literal["observational", "randomised"]
    time: ColumnName
    time_unit: Literal["day", "week", "month", "year"]
    event: ColumnName
    person: ColumnName | None = None
    follow_up: ColumnName | None = None
    competing: dict[str, int] = {}
    covariates: list[ColumnName] = []
    windows: list[Annotated[float, Field(gt=0)]] = []
    cluster: ColumnName | None = None
    people_label: str = "people"  # plural noun for the report: people released from prison


Design = Annotated[PanelDesign | CohortDesign, Field(discriminator="type")]


class Outcome(Model):
    id: Identifier
    label: Text
    column: ColumnName | None = None  # panel designs only
    type: Literal["continuous", "binary", "count", "rate"] | None = None  # panel default: continuous
    exposure: ColumnName | None = None
    better: Literal["lower", "higher"] = "lower"


class Analysis(Model):
    id: Identifier
    role: Literal["primary", "secondary", "sensitivity", "exploratory"]
    outcome: Identifier
    estimator: Identifier
    options: dict[str, Any] = {}
    label: str = ""  # how the report names it; default: the estimator's title


class Diagnostics(Model):
    pretrends: bool = True
    placebo: bool = True
    honest: bool = True
    leave_one_out: bool = True


class Disclosure(Model):
    profile: Literal["cms11", "wonder10", "opensafely", "sacro", "none"]


class Simulation(Model):
    """Marks a study as simulated data, and says how `evaluation simulate` makes them.

    `effect` is the planted truth on the scale of the primary estimand: a risk difference, or an ATT.
    """

    effect: float
    seed: int = 1
    size: Annotated[int, Field(gt=0)] = 2000  # people, or units of a panel
    periods: Annotated[int, Field(gt=1)] = 24  # panel only
    baseline: float | None = None  # control risk at the last window, or the untreated mean


Product = Literal["brief", "full", "appendix"]


class Report(Model):
    products: list[Product] = ["brief", "full", "appendix"]
    contact: str = ""


class Study(Model):
    study: Identifier
    title: Text
    question: Text
    intervention: Intervention
    data: Data
    design: Design
    outcomes: Annotated[list[Outcome], Field(min_length=1)]
    analyses: Annotated[list[Analysis], Field(min_length=1)]
    disclosure: Disclosure
    labels: dict[str, str] = {}  # what the report calls a column
    diagnostics: Diagnostics = Diagnostics()
    gates: list[str] = []
    subgroups: list[ColumnName] = []
    costs: dict[str, Any] | None = None
    simulation: Simulation | None = None
    report: Report = Report()

    def outcome(self, identifier: str) -> Outcome:
        return next(o for o in self.outcomes if o.id == identifier)

    @property
    def primary(self) -> Analysis:
        """The first primary analysis: the one the headline and the verdict follow."""
        return next(a for a in self.analyses if a.role == "primary")

    def label(self, column: str) -> str:
        """What a reader should see for a column: its label, else its name in plain words."""
        return self.labels.get(column, column.replace("_", " "))
