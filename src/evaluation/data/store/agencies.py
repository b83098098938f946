"""The agencies a store knows, and what each is to send by when: `agencies.yaml`."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from evaluation.data.store.files import whole
from evaluation.dictionary.agreements import Ident
from evaluation.dictionary.files import read_yaml
from evaluation.errors import DataError, Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evaluation.data.store.store import Store

NAME = "agencies.yaml"


class Due(BaseModel):
    """A table that is to come `every` month, quarter or year, `days` days after the period's end at the latest.

    `since` is the first day of the first period that is due; where it is not given, the first day of the agency's
    first agreement on the table.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: Ident
    every: Literal["month", "quarter", "year"]
    days: int = Field(ge=0)
    since: date | None = None


class Token(BaseModel):
    """What is kept of a token with which an agency's people sign in to the page: its hash, not itself.

    It holds up to and with the day on which it `expires`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    created: date
    expires: date

    @property
    def name(self) -> str:
        """What the token is called where one is to be revoked."""
        return self.sha256[:8]


class Agency(BaseModel):
    """An agency, what it is to send, and the tokens with which its people sign in to the page."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Ident
    name: str = Field(min_length=1)
    due: tuple[Due, ...] = ()
    tokens: tuple[Token, ...] = ()


def read_agencies(store: Path) -> dict[str, Agency]:
    """The agencies of a store by id, in the order of the file; none where there is no file.

    Raises
    ------
    DataError
        When the file is not what it should be, or two agencies have one id.
    """
    from pydantic import ValidationError
    from ruamel.yaml.error import YAMLError

    path = store / NAME
    if not path.exists():
        return {}
    see = "See docs/store.md."
    try:
        said = read_yaml(path) or []
        listed = [Agency.model_validate(one) for one in _list(said)]
    except ValidationError as error:
        raise DataError(
            *(Problem(str(path), ".".join(str(p) for p in e["loc"]), f"{e['msg']}.", see) for e in error.errors())
        ) from None
    except (YAMLError, UnicodeDecodeError, TypeError):
        raise DataError(Problem(str(path), "", "this is no list of agencies in YAML.", see)) from None
    found = {a.id: a for a in listed}
    if len(found) < len(listed):
        raise DataError(Problem(str(path), "id", "two agencies have one id.", "Rename one."))
    return found


def _list(said: Any) -> list[Any]:
    if not isinstance(said, list):
        raise TypeError
    return said


def known_agency(store: Store, agency: str) -> Agency:
    """An agency of the store.

    Raises
    ------
    DataError
        When the store does not know it.
    """
    agencies = read_agencies(store.folder)
    if agency in agencies:
        return agencies[agency]
    listed = f"it knows {', '.join(agencies)}" if agencies else "it knows none yet"
    what = f"the store knows no agency {agency}; {listed}."
    fix = f'Its operator adds one: evaluation agency {agency} --name "…".'
    raise DataError(Problem(str(store.folder / NAME), "agency", what, fix))


def write_agency(store: Store, agency: Agency, tokens: Sequence[Token] | None = None) -> None:
    """Add an agency, or change one that is there; comments and the other agencies stay as they are.

    `tokens` are those it has from now on; where they are not given, those that it had.
    """
    from ruamel.yaml import YAML

    path = store.folder / NAME
    before = read_agencies(store.folder)
    if tokens is None:
        tokens = before[agency.id].tokens if agency.id in before else agency.tokens
    agency = agency.model_copy(update={"tokens": tuple(tokens)})
    yaml = YAML()
    said = yaml.load(path.read_text(encoding="utf-8")) if before else []
    one = agency.model_dump(mode="json", exclude_defaults=True)
    if agency.id in before:
        said[list(before).index(agency.id)] = one
    else:
        said.append(one)
    with whole(path) as draft, draft.open("w", encoding="utf-8") as file:
        yaml.dump(said, file)


def agency_of(ident: str, name: str, due: Sequence[str]) -> Agency:
    """An agency from what was said on the command line; `due` in the form `table:month:15`.

    Raises
    ------
    UsageError
        When the id or a due table is not of its form.
    """
    from pydantic import ValidationError

    try:
        listed = [dict(zip(("table", "every", "days"), text.split(":"), strict=True)) for text in due]
        return Agency.model_validate({"id": ident, "name": name, "due": listed})
    except (ValidationError, ValueError):
        what = "an id has small letters, digits and underscores; what is due has the form TABLE:month:15."
        raise UsageError(Problem("", "agency", what, "Instead of month: quarter or year.")) from None
