"""Five invented agencies of a county and the files that their clerks would send: people with names, and a drug court.

Nobody in it exists. The drug court lowers the share rearrested within a year by `EFFECT`; people are in several
agencies' files under different numbers, and some cannot be found again because a number was not written down.
"""

from __future__ import annotations

import csv
import re
import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STUDY = "submitted_court"
AGREEMENTS = ("county_justice", "registry_state_law")
EFFECT = -0.12
SIZE, SEED = 1600, 7
YEARS = (2021, 2022, 2023, 2024)
LAST = date(2024, 12, 31)
AGENCIES = {
    "program_office": "Office of problem-solving courts",
    "city_police": "City police",
    "courts": "County courts",
    "county_jail": "County jail",
    "registry": "Registry of deaths",
}
# Share of people of whom the agency has a state number, and of whom it has the last digits of a social security number.
_KNOWN = {"program_office": (0.55, 0.95), "city_police": (0.93, 0.4), "courts": (0.9, 0.5), "county_jail": (0.97, 0.7),
          "registry": (0.2, 0.9)}  # fmt: skip
MISSPELT = {"black": 0.05, "hispanic": 0.09, "white": 0.03, "multiple": 0.05}
_FIRST = (
    "Ada", "Bruno", "Celia", "Dario", "Edith", "Fabian", "Greta", "Hugo", "Irene", "Jonas", "Karla", "Leon", "Marta",
    "Nils", "Olga", "Pablo", "Quinn", "Rosa", "Stefan", "Tilda", "Ulrich", "Vera", "Wanda", "Xaver", "Yara", "Zeno",
)  # fmt: skip
_LAST = (
    "Abbott", "Barlow", "Castro", "Dixon", "Ellery", "Farrow", "Grange", "Hobbs", "Ingram", "Jarvis", "Kemp", "Lowell",
    "Marsh", "Nolan", "Ortiz", "Prior", "Quigley", "Reyes", "Sutton", "Tobin", "Underhill", "Vargas", "Weston", "Yates",
)  # fmt: skip
_RACES = ("black", "hispanic", "white", "multiple")
_CRIMES = ("35A", "220", "23C", "240", "13B", "290")


@dataclass(frozen=True)
class Person:
    """A person as they are, and what was written down of them elsewhere is made from."""

    number: int
    first: str
    last: str
    born: date
    ssn4: str
    state_id: str
    sex: str
    race: str


@dataclass
class Records:
    """Rows of a table by agency; each row with the person first, by number."""

    rows: dict[tuple[str, str], list[tuple[int, dict[str, Any]]]]

    def in_jail(self, person: int, first: date, last: date) -> bool:
        """Whether the person was in jail on one of these days."""
        stays = [row for n, row in self.rows.get(("county_jail", "custody_periods"), ()) if n == person]
        return any(row["start_date"] <= last and first <= row["end_date"] for row in stays)

    def add(self, agency: str, table: str, person: int, **row: Any) -> None:
        """A row of an agency's table."""
        self.rows.setdefault((agency, table), []).append((person, row))


def provide(base: Path) -> list[Path]:
    """Write the agencies' files, agreements and a script that sends them (`agencies/`), and a study of them.

    Files that are there already stay as they are, so that one can be spoilt and mended.
    """
    from evaluation import resources

    folder, shipped = base / "agencies", resources.folder("studies") / "agencies" / f"{STUDY}.yaml"
    wanted = {base / "studies" / shipped.name: shipped.read_text(encoding="utf-8")}
    for name in AGREEMENTS:
        text = (resources.folder("data_dictionary") / "agreements" / f"{name}.yaml").read_text(encoding="utf-8")
        wanted[folder / "agreements" / f"{name}.yaml"] = re.sub(r"(?m)^expires: .*$", "expires: 2099-12-31", text)
    with tempfile.TemporaryDirectory(prefix="evaluation-") as scratch:
        files = write(Path(scratch))
        wanted |= {folder / f.relative_to(scratch): f.read_text(encoding="utf-8") for f in files.values()}
        sent = {k: str(Path("agencies") / f.relative_to(scratch)) for k, f in files.items()}
    nothing = {k for k, place in sent.items() if wanted[base / place].count("\n") == 1}  # the header alone
    wanted[folder / "send.sh"] = _script(sent, nothing)
    made = [place for place in wanted if not place.exists()]
    for place in made:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(wanted[place], encoding="utf-8", newline="")
    return made


def _script(files: dict[tuple[str, str, str], str], nothing: set[tuple[str, str, str]]) -> str:
    """The commands by which the operator lets the agencies send, and these send."""
    lines = [
        "# What the operator of a new store does once, and what the agencies' clerks do then.",
        "set -e",
        "test -e county.key || (umask 077 && head -c 32 /dev/urandom | base64 > county.key)",
        "export EVALUATION_KEY_FILE=county.key",
        "",
    ]
    for agency, name in AGENCIES.items():
        agreement = AGREEMENTS[1] if agency == "registry" else AGREEMENTS[0]
        lines.append(f'evaluation agency {agency} --name "{name}" --project county '
                     f"--agreement agencies/agreements/{agreement}.yaml")  # fmt: skip
    lines.append("")
    for key, path in files.items():
        agency, table, period = key
        flag = " --nothing" if key in nothing else ""
        lines.append(f"evaluation submit {path} --table {table} --agency {agency} --period {period}{flag}")
    return "\n".join(lines) + "\n"


def write(folder: Path) -> dict[tuple[str, str, str], Path]:
    """Write every file of every agency; their paths by agency, table and period, in the order of sending."""
    draw = np.random.default_rng(SEED)
    people = [_person(draw, n) for n in range(SIZE)]
    records = Records({})
    for person in people:
        _life(draw, person, records)
    written: dict[tuple[str, str, str], Path] = {}
    for agency in AGENCIES:
        seen = sorted({n for (who, _), rows in records.rows.items() if who == agency for n, _ in rows})
        numbers = dict(zip(seen, (f"{agency[:2].upper()}-{k:05d}" for k in draw.permutation(99_999)[: len(seen)]),
                           strict=True))  # fmt: skip
        period = str(YEARS[-1])
        written[agency, "persons", period] = _file(
            folder / agency / "persons.csv", (_described(draw, agency, people[n], numbers[n]) for n in seen)
        )
        for (who, table), rows in sorted(records.rows.items()):
            if who == agency:
                for year in YEARS:
                    of_year = [_numbered(agency, numbers, n, row) for n, row in rows if _year(row) == year]
                    place = folder / agency / f"{table}-{year}.csv"
                    written[agency, table, str(year)] = _file(place, of_year)
    return written


def _person(draw: np.random.Generator, number: int) -> Person:
    born = date(1960, 1, 1) + timedelta(days=int(draw.integers(0, 44 * 365)))
    return Person(number, str(draw.choice(_FIRST)), str(draw.choice(_LAST)), born, f"{draw.integers(0, 10_000):04d}",
                  f"SX{number * 37 + 100_000:06d}", str(draw.choice(["female", "male"], p=[0.3, 0.7])),
                  str(draw.choice(_RACES, p=[0.3, 0.2, 0.42, 0.08])))  # fmt: skip


def _life(draw: np.random.Generator, person: Person, to: Records) -> None:
    """An arrest, the program or ordinary probation, and what came after."""
    entry = date(2022, 1, 1) + timedelta(days=int(draw.integers(0, 700)))
    before = int(draw.poisson(1.2))
    for _ in range(before):
        _crime(draw, person, entry - timedelta(days=int(draw.integers(40, 330))), to, charged=True)
    _crime(draw, person, entry - timedelta(days=int(draw.integers(20, 39))), to, charged=True)
    treated = bool(draw.random() < 0.5 - 0.06 * (before - 1))
    risk = min(0.85, 0.38 + 0.06 * before) + EFFECT * treated
    died = entry + timedelta(days=int(draw.integers(20, 900))) if draw.random() < 0.04 else None
    if draw.random() < risk:  # within the first year
        _crime(draw, person, entry + timedelta(days=int(draw.integers(3, 364))), to, charged=draw.random() < 0.8,
               before=died)  # fmt: skip
    if draw.random() < 0.2:
        _crime(draw, person, entry + timedelta(days=int(draw.integers(366, 700))), to, charged=draw.random() < 0.8,
               before=died)  # fmt: skip
    _stay(draw, person, entry, died, to, treated=treated)
    if died is not None and died <= LAST:
        to.add("registry", "deaths", person.number, death_date=died, underlying_cause="I251", manner="natural",
               residence_area="06001", occurrence_area="06001", provisional="false")  # fmt: skip


def _crime(
    draw: np.random.Generator, person: Person, day: date, to: Records, *, charged: bool, before: date | None = None
) -> None:
    """An arrest by the police, perhaps a stay in jail, and the charge that follows."""
    if (before is not None and day >= before) or day > LAST:
        return
    code = str(draw.choice(_CRIMES))
    what = {"offence_code": code, "offence_level": "felony" if code in ("35A", "220") else "misdemeanor",
            "reason": "new_crime", "criminal_activity": "P" if code == "35A" else ""}  # fmt: skip
    offence = day - timedelta(days=int(draw.integers(0, 3)))
    to.add("city_police", "justice_events", person.number, event_type="arrest", event_date=day, offence_date=offence,
           arrest_date=day, **what)  # fmt: skip
    out = day + timedelta(days=int(draw.integers(1, 10)))
    alive = before is None or out < before
    if draw.random() < 0.4 and out <= LAST and alive and not to.in_jail(person.number, day, out):
        to.add("county_jail", "custody_periods", person.number, start_date=day, end_date=out, custody_type="jail",
               legal_status="pretrial", release_reason="own_recognizance")  # fmt: skip
    filed = day + timedelta(days=int(draw.integers(2, 15)))
    if charged and filed <= LAST and (before is None or filed < before):
        to.add("courts", "justice_events", person.number, event_type="charge", event_date=filed, offence_date=offence,
               arrest_date=day, filing_date=filed, **what)  # fmt: skip


def _stay(
    draw: np.random.Generator, person: Person, entry: date, died: date | None, to: Records, *, treated: bool
) -> None:
    length = int(draw.integers(200, 500))
    left: date | None = entry + timedelta(days=length)
    why = "graduated" if draw.random() < 0.55 else str(draw.choice(["terminated", "withdrew", "absconded"]))
    if died is not None and died <= (left or LAST):
        left, why = died, "died"
    if left is not None and left > LAST:
        left, why = None, "still active"
    if not treated and why == "graduated":
        why = "completed"
    to.add("program_office", "program_episodes", person.number, program="drug_court" if treated else "probation",
           referral_date=entry - timedelta(days=int(draw.integers(3, 15))), entry_date=entry, exit_date=left,
           exit_reason=why, juvenile="false")  # fmt: skip


def _described(draw: np.random.Generator, agency: str, person: Person, number: str) -> dict[str, Any]:
    """What the agency wrote down of a person; of some a misspelt name alone, by which nobody is found again."""
    misspelt = agency != "program_office" and draw.random() < MISSPELT[person.race]
    has_state, has_ssn = (0.0, 0.0) if misspelt else _KNOWN[agency]
    last = person.last[:-1] + "ee" if misspelt else person.last.upper() if agency == "county_jail" else person.last
    return {
        "agency_id": agency, "person_id": number, "first_name": person.first, "last_name": last,
        "birth_date": person.born, "ssn4": person.ssn4 if draw.random() < has_ssn else "",
        "state_id": person.state_id if draw.random() < has_state else "", "sex": person.sex,
        "race_ethnicity": person.race,
    }  # fmt: skip


def _numbered(agency: str, numbers: dict[int, str], person: int, row: dict[str, Any]) -> dict[str, Any]:
    return {"agency_id": agency, "person_id": numbers[person], **row}


def _year(row: dict[str, Any]) -> int:
    day = next(row[c] for c in ("event_date", "start_date", "death_date", "entry_date") if c in row)
    return int(day.year)


FEWEST = {  # columns of a file of a year in which nothing happened
    "custody_periods": ("agency_id", "person_id", "start_date"),
    "deaths": ("agency_id", "person_id", "death_date", "provisional"),
    "program_episodes": ("agency_id", "person_id", "program", "entry_date"),
    "justice_events": ("agency_id", "person_id", "event_type", "event_date"),
}
_KEYS = {"justice_events": "event_id", "program_episodes": "episode_id"}


def _file(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    listed = list(rows)
    key = _KEYS.get(path.stem.rpartition("-")[0])
    day = next((c for c in ("event_date", "start_date", "death_date", "entry_date") if listed and c in listed[0]), None)
    ordered = sorted(listed, key=lambda r: (str(r[day]) if day else "", r["person_id"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as handle:
        header = list(dict.fromkeys(c for row in ordered for c in row)) or list(FEWEST[path.stem.rpartition("-")[0]])
        header = [header[0], *([key] if key else []), *header[1:]]
        writer = csv.DictWriter(handle, header)
        writer.writeheader()
        writer.writerows(_keyed(ordered, key, path.stem))
    return path


def _keyed(rows: list[dict[str, Any]], key: str | None, stem: str) -> Iterator[dict[str, Any]]:
    """Rows with a running number, in tables that have one."""
    for n, row in enumerate(rows, start=1):
        yield row if key is None else {key: f"{stem.rpartition('-')[2]}-{n:05d}", **row}
