"""The study file as frozen models. They know names, not classes: estimators and data are checked elsewhere.

A field's description completes the sentence "Add it: …" in the message about a missing key.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from evaluation.study.building import OutcomeBuild, PanelBuild, Population

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
    tables: dict[str, str | list[str]] = {}  # files by name, from which a panel is built (design.build)
    store: bool = False
    source: str = ""  # citation of the data, shown in the report


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
    people_label: Text = "people"  # plural noun for the report: people released from prison


Design = Annotated[PanelDesign | CohortDesign, Field(discriminator="type")]


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


class Diagnostics(Model):
    """Checks of the design's assumptions, each on or off."""

    pretrends: bool = True
    placebo: bool = True
    honest: bool = True
    leave_one_out: bool = True
    randomisation: bool | Literal["auto"] = "auto"  # auto: where treated, or untreated, clusters are few
    placebo_outcomes: list[Text] = []  # ids of outcomes that the program cannot change
    spillover: ColumnName | None = None  # 1 for untreated units next to treated ones, else 0


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
    subgroups: list[ColumnName] = []
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
