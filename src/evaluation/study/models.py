"""The study file as frozen models. They know names, not classes: estimators and data are checked elsewhere.

A field's description completes the sentence "Add it: …" in the message about a missing key.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator

from evaluation.study.building import Day, Filter, OutcomeBuild, PanelBuild, Population
from evaluation.study.cohort_building import (
    AtRisk,
    Characteristic,
    Coverage,
    EventRows,
    IndexEvents,
    Length,
    Offence,
    OtherEvent,
    Rule,
    Span,
)
from evaluation.study.implementation import Divided, Implementation

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
ColumnName = Annotated[str, StringConstraints(min_length=1)]
Window = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Model(BaseModel):
    """Base of all: frozen, strict about types and keys; a key left empty takes its default."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_takes_the_default(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        optional = {name for name, field in cls.model_fields.items() if not field.is_required()}
        return {k: v for k, v in values.items() if v is not None or k not in optional}


class LogicModel(Model):
    """How the program is meant to work, from what goes in to what changes."""

    inputs: list[str] = []
    activities: list[str] = []
    outputs: list[str] = []
    outcomes: list[str] = []


class Intervention(Model):
    """What was done, to whom it is compared, in words a funder understands."""

    kind: Text = Field(description="a kind of the catalogue, such as law_reform or drug_court")
    name: Text = Field(description="what the program is called in the report")
    description: Text = Field(description="one paragraph a funder understands")
    comparison: str = ""  # what the others had instead; shown in the report
    logic_model: LogicModel | None = None


class Data(Model):
    """Where the analysis data lie."""

    path: str | list[str] | None = None  # a file, a folder, a glob, or a list of them
    # Files by name, from which a panel or a cohort is built; with `store`, a list of tables of the dictionary.
    tables: dict[str, str | list[str]] = {}
    store: bool = False  # the tables are those that agencies submitted
    as_of: Day | None = None  # cohorts from tables: the last day that the data tell of
    coverage: Coverage | None = None  # cohorts from tables: how far each agency's data reach
    source: str = ""  # citation of the data, shown in the report

    @model_validator(mode="before")
    @classmethod
    def _from_the_store(cls, values: Any) -> Any:
        """A list of tables, of which the run finds the files, and with them the table of what they cover."""
        if (
            not isinstance(values, dict)
            or values.get("store") is not True
            or not isinstance(values.get("tables"), list)
        ):
            return values
        named: dict[str, list[str]] = {str(name): [] for name in [*values["tables"], "coverage"]}
        return values | {"tables": named, "coverage": {"table": "coverage"}}


class Engine(Model):
    """How to reach Spark, for `--engine spark`; what is left out, the environment says."""

    master: Text | None = None  # such as local[2] or spark://host:7077
    app_name: Text = "evaluation"
    config: dict[str, str] = {}  # Spark's own settings


class PanelDesign(Model):
    """Units observed over periods: the columns' roles."""

    type: Literal["panel"]
    unit: ColumnName = Field(description="the column that names the unit observed over time")
    time: ColumnName = Field(description="the column of the period, a whole number")
    cohort: ColumnName = Field(description="the column of the unit's first treated period; empty or 0 = never treated")
    cluster: ColumnName | None = None  # default: unit
    weights: ColumnName | None = None
    time_unit: Literal["year", "quarter", "month", "week", "day", "period"] = "period"
    unit_label: Text = "units"  # plural noun for the report: states, counties
    units_are: Literal["people", "places"] = "people"  # disclosure control protects people, not places
    second_cluster: ColumnName | None = None  # clustering two ways: the period, beside the cluster
    coordinates: Annotated[list[ColumnName], Field(min_length=2, max_length=2)] = []  # latitude and longitude, degrees
    cutoff_km: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None  # how far neighbours reach
    build: PanelBuild | None = None  # how the panel is made from data.tables

    @property
    def cluster_column(self) -> str:
        """The column uncertainty is clustered on."""
        return self.cluster or self.unit


class CohortDesign(Model):
    """People followed after an index date, one row a person: the columns' roles."""

    type: Literal["cohort"]
    arm: ColumnName = Field(description="the column that says who was in the program: 1 or true, else 0 or false")
    assignment: Literal["observational", "randomised"] = Field(description="randomised or observational")
    time: ColumnName = Field(description="the column of the time from index to event or end of follow-up")
    time_unit: Literal["day", "week", "month", "year"] = Field(description="the unit of the time column and windows")
    event: ColumnName = Field(description="the column of the event: 0 = censored, 1 = the outcome")
    person: ColumnName | None = None
    follow_up: ColumnName | None = None
    competing: dict[str, int] = {}
    covariates: list[ColumnName] = []
    windows: list[Window] = []
    cluster: ColumnName | None = None
    weights: ColumnName | None = None
    completed: ColumnName | None = None  # 1 for those who finished the program: for descriptive contrasts alone
    people_label: Text = "people"  # plural noun for the report: people released from prison

    def for_outcome(self, outcome: Outcome, clock: str | None = None) -> CohortDesign:  # noqa: ARG002
        """The design with the columns of one outcome; ready-made data hold one outcome, on one clock."""
        return self

    def clock_of(self, analysis: Analysis) -> Literal["calendar", "street"]:  # noqa: ARG002
        """The clock that an analysis runs on."""
        return "calendar"


class BuiltCohortDesign(CohortDesign):
    """People followed from an index event, found in tables of events; the builder names the columns.

    An outcome's columns are `<outcome>_time`, `<outcome>_event` and `<outcome>_follow_up` (see `of_outcome`).
    """

    arm: Literal["arm"] = "arm"
    assignment: Literal["observational", "randomised"] = "observational"
    time: Literal["time"] = "time"
    time_unit: Literal["day", "week", "month", "year"] = "month"
    event: Literal["event"] = "event"
    person: ColumnName = "person_id"
    index: IndexEvents = Field(description="the events that begin the program: table, date, where")
    comparison: IndexEvents = Field(description="the events that begin the comparison's follow-up: table, date, where")
    clean_window: Length = Span(count=0, unit="day")  # no earlier index event within it
    crossover: Literal["first", "exclude"] = "first"  # people with index events in both pools
    at_risk: AtRisk | Literal["calendar"] = "calendar"
    include: list[Rule] = []
    exclude: list[Rule] = []
    characteristics: dict[str, Characteristic] = {}
    completers: Filter = {}  # what the index event's own row says of those who finished the program
    events: dict[str, OtherEvent] = {}  # competing events other than death, by name

    def for_outcome(self, outcome: Outcome, clock: str | None = None) -> CohortDesign:
        """The ready-made design whose columns the builder has written for an outcome, on a clock."""
        street = "street_" if clock == "street" else ""
        every_event = self.index.first_per_person is False
        return CohortDesign(
            type="cohort", arm=self.arm, assignment=self.assignment, time=f"{outcome.id}_{street}time",
            time_unit=self.time_unit, event=f"{outcome.id}_{street}event", follow_up=f"{outcome.id}_{street}follow_up",
            person=None if every_event else self.person, covariates=self.covariates,
            competing={name: 2 + i for i, name in enumerate(outcome.competing)},
            windows=outcome.windows or self.windows, cluster=self.cluster or (self.person if every_event else None),
            weights="weight" if every_event else None, completed="completed" if self.completers else None,
            people_label=self.people_label,
        )  # fmt: skip

    def clock_of(self, analysis: Analysis) -> Literal["calendar", "street"]:
        """The clock that an analysis runs on: its own, else the design's."""
        return analysis.clock or ("calendar" if self.at_risk == "calendar" else "street")

    @model_validator(mode="before")
    @classmethod
    def _characteristics_are_covariates(cls, values: Any) -> Any:
        """Every characteristic is a covariate, unless the study file lists them."""
        if (
            isinstance(values, dict)
            and not values.get("covariates")
            and isinstance(values.get("characteristics"), dict)
        ):
            return {**values, "covariates": list(values["characteristics"])}
        return values


def _kind(design: Any) -> Any:
    return design.get("type") if isinstance(design, dict) else getattr(design, "type", None)


def _source(design: Any) -> str:
    """Whether a cohort is built from tables: then it says where index events are found."""
    built = isinstance(design, BuiltCohortDesign) or (
        isinstance(design, dict) and ("index" in design or "comparison" in design)
    )
    return "from_tables" if built else "ready_made"


AnyCohort = Annotated[
    Annotated[CohortDesign, Tag("ready_made")] | Annotated[BuiltCohortDesign, Tag("from_tables")],
    Discriminator(_source),
]
Design = Annotated[
    Annotated[PanelDesign, Tag("panel")] | Annotated[AnyCohort, Tag("cohort")],
    Discriminator(_kind),
]


class Outcome(Model):
    """What is measured, and which direction is good."""

    id: Identifier = Field(description="a short id that analyses refer to")
    label: Text = Field(description="what the report calls the outcome")
    column: ColumnName | None = None  # panel designs only
    type: Literal["continuous", "binary", "count", "rate"] | None = None  # panel default: continuous
    exposure: ColumnName | None = None
    build: OutcomeBuild | None = None  # where the panel is made from data.tables
    per: Population | None = None
    better: Literal["lower", "higher"] = "lower"
    # Cohorts from tables: which events count, from which date, for how long
    kind: Literal["recidivism", "event", "death"] | None = None
    marker: Literal["arrest", "charge", "conviction", "incarceration", "any"] | None = None
    offence: Offence = Offence()
    date_basis: Literal["event", "offence", "arrest", "filing", "disposition"] | None = None  # default: event
    lag: Length = Span(count=0, unit="day")  # what courts need to decide: follow-up ends so much earlier
    events: EventRows | None = None  # of kind event
    windows: list[Window] = []  # default: the design's
    competing: list[str] = []

    @model_validator(mode="before")
    @classmethod
    def _named_by_its_id(cls, values: Any) -> Any:
        """An outcome with a kind is called by its id, where the study file has no label."""
        if isinstance(values, dict) and values.get("kind") and not values.get("label"):
            return {**values, "label": str(values.get("id", "")).replace("_", " ").capitalize()}
        return values

    def __hash__(self) -> int:
        """By id: an id stands for one outcome of a study."""
        return hash(self.id)


class Analysis(Model):
    """One estimator applied to one outcome, with its part in the argument."""

    id: Identifier = Field(description="a short id that the results carry")
    role: Literal["primary", "secondary", "sensitivity", "exploratory"] = Field(
        description="primary, secondary, sensitivity or exploratory"
    )
    outcome: Text = Field(description="the id of one of the outcomes")
    estimator: Text = Field(description="an estimator's id; `evaluation methods` lists them")
    options: dict[str, Any] = {}
    label: str = ""  # how the report names it; default: the estimator's title
    clock: Literal["calendar", "street"] | None = None  # cohorts from tables; default: as design.at_risk says
    among: Literal["everyone", "completers"] = "everyone"  # completers: descriptive, and never more than exploratory


class Diagnostics(Model):
    """Checks of the design's assumptions, each on or off."""

    pretrends: bool = True
    placebo: bool = True
    honest: bool = True
    leave_one_out: bool = True
    randomisation: bool | Literal["auto"] = "auto"  # auto: where treated, or untreated, clusters are few
    placebo_outcomes: list[Text] = []  # ids of outcomes that the program cannot change
    spillover: ColumnName | None = None  # 1 for untreated units next to treated ones, else 0
    # cohorts: missing characteristics imputed; auto: where over 5 % of at most 100,000 people lack one
    imputation: bool | Literal["auto"] = "auto"


class Disclosure(Model):
    """Which rules decide what may leave."""

    profile: Literal["cms11", "wonder10", "opensafely", "sacro", "none"] = Field(
        description="cms11 or wonder10 for data about people, none for public aggregate data"
    )


class Simulation(Model):
    """Marks a study as simulated data, and says how `evaluation simulate` makes them.

    `effect` is the planted truth on the scale of the primary estimand: a risk difference, a log hazard ratio where the
    primary analysis is `cox`, or an ATT.
    """

    effect: float = Field(
        description="the planted effect: a risk difference, a log hazard ratio, or an ATT", allow_inf_nan=False
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    size: Annotated[int, Field(gt=0)] = 2000  # people, or units of a panel
    periods: Annotated[int, Field(gt=1)] = 24  # panels only
    baseline: float | None = None  # control risk at the last window, or the untreated mean
    # panels only
    cohorts: Annotated[int, Field(gt=0)] = 4  # adoption dates
    treated_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    dynamics: Literal["constant", "growing", "fading"] = "constant"  # the effect's course after adoption
    heterogeneity: Annotated[float, Field(ge=-0.9, le=0.9)] = 0.0  # first cohort above the mean effect, last below
    drift: float = 0.0  # how far adopters move away by themselves each period: breaks parallel trends
    carry_over: Annotated[float, Field(ge=0, lt=1)] = 0.4  # correlation of a unit's errors in neighbouring periods
    overdispersion: Annotated[float, Field(ge=0)] = 0.0  # counts: variance = mean + overdispersion * mean²


Product = Literal["brief", "full", "appendix"]


class Report(Model):
    """Which documents are rendered, and whom readers may ask."""

    products: list[Product] = ["brief", "full", "appendix"]
    contact: str = ""


class Study(Model):
    """A whole study file."""

    study: Identifier = Field(description="the study's id, which is the file's name without .yaml")
    title: Text = Field(description="the title of the report")
    question: Text = Field(description="the question the study answers, in one sentence")
    intervention: Intervention = Field(description="kind, name and description of what was done")
    data: Data = Field(description="where the data lie, such as {path: data/panel.parquet}")
    engine: Engine = Engine()
    design: Design = Field(description="type (panel or cohort) and the columns' roles")
    outcomes: Annotated[list[Outcome], Field(min_length=1)] = Field(description="a list of outcomes")
    analyses: Annotated[list[Analysis], Field(min_length=1)] = Field(
        description="a list of analyses, one of them with role primary"
    )
    disclosure: Disclosure = Field(description="the disclosure profile, such as {profile: cms11}")
    labels: dict[str, Text] = {}  # what the report calls a column
    diagnostics: Diagnostics = Diagnostics()
    gates: list[str] = []
    subgroups: list[Divided] = []  # cohorts: characteristics by which effects are looked at within groups of people
    implementation: Implementation | None = None  # cohorts from tables: what was delivered, to whom, and who stayed
    costs: dict[str, Any] | None = None
    simulation: Simulation | None = None
    report: Report = Report()

    def outcome(self, identifier: str) -> Outcome:
        """The outcome with this id."""
        return next(o for o in self.outcomes if o.id == identifier)

    @property
    def primary(self) -> Analysis:
        """The first primary analysis: the one the headline and the verdict follow."""
        return next(a for a in self.analyses if a.role == "primary")

    def label(self, column: str) -> str:
        """What a reader should see for a column: its label, else its name in plain words."""
        return self.labels.get(column, column.replace("_", " "))
