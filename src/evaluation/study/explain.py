"""Pydantic's errors in an evaluator's words, at their place in the study file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, get_args, get_origin

from evaluation.errors import Problem
from evaluation.study.document import Document, Loc
from evaluation.study.spelling import hint, listed, nearest, slug

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

_EXPECTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "list_type": "a list, like [a, b]",
    "dict_type": "a mapping (keys with values)",
    "model_type": "a mapping (keys with values)",
    "model_attributes_type": "a mapping (keys with values)",
    "string_pattern_mismatch": "an id (lower-case letters, digits and _, beginning with a letter)",
    "string_too_short": "text",
    "too_short": "one entry at least",
}
_IDS = ("study", "id", "outcome", "estimator", "kind")
_YES, _NO = ("yes", "on", "y"), ("no", "off", "n")


def explain(
    document: Document,
    errors: Sequence[ErrorDetails],
    model: type[BaseModel],
    base: Loc = (),
) -> list[Problem]:
    """The problems behind pydantic's `errors` about the values at `base`, which were held against `model`.

    A key that is missing because a neighbour is a misspelling of it is told once, as the misspelling.
    """
    found = [_placed(document, base, error) for error in errors]
    explainer = _Explainer(document, model, base)
    unknown = [f for f in found if f.kind == "extra_forbidden"]
    problems = [explainer.unknown(f.loc) for f in unknown]
    meant = {(*f.loc[:-1], explainer.meant(f.loc)) for f in unknown}
    problems += [explainer.missing(f.loc) for f in found if f.kind == "missing" and f.loc not in meant]
    wrong = [f for f in found if f.kind not in ("extra_forbidden", "missing")]
    problems += [explainer.wrong(loc, [f for f in wrong if f.loc == loc]) for loc in _told(wrong)]
    return problems


@dataclass(frozen=True)
class _Found:
    """One pydantic error at its place in the file; `branch`: it concerns one of several forms a value may take."""

    loc: Loc
    kind: str
    error: ErrorDetails
    branch: bool

    @property
    def choices(self) -> list[str]:
        """The values a literal or a discriminator allows."""
        context = self.error.get("ctx", {})
        return re.findall(r"'([^']*)'", str(context.get("expected", context.get("expected_tags", ""))))


def _placed(document: Document, base: Loc, error: ErrorDetails) -> _Found:
    """The error at the place in the file that pydantic's location, which names unions' branches too, stands for."""
    parts, loc, branch = error["loc"], base, False
    missing = error["type"] == "missing"
    for part in parts[:-1] if missing else parts:
        value = document.at(loc)
        if (isinstance(value, dict) and part in value) or (isinstance(value, list) and isinstance(part, int)):
            loc = (*loc, part)
        else:
            branch = True
    return _Found((*loc, parts[-1]) if missing else loc, error["type"], error, branch)


def _told(wrong: Sequence[_Found]) -> list[Loc]:
    """The places to tell of, once each: of a union's branches, those that got furthest into the value."""
    deeper = {f.loc[:n] for f in wrong if f.branch for n in range(len(f.loc))}
    return list(dict.fromkeys(f.loc for f in wrong if not (f.branch and f.loc in deeper)))


@dataclass(frozen=True)
class _Explainer:
    document: Document
    model: type[BaseModel]
    base: Loc

    def fields(self, loc: Loc) -> list[str]:
        """The keys valid at `loc`."""
        model = self._model(loc)
        return list(model.model_fields) if model else []

    def meant(self, loc: Loc) -> str:
        """The valid key that the key at `loc` is nearest to; empty when none is near."""
        return nearest(str(loc[-1]), self.fields(loc[:-1])) or ""

    def unknown(self, loc: Loc) -> Problem:
        key = str(loc[-1])
        valid = self.fields(loc[:-1])
        if ":" in key and self.document.at(loc) is None:
            return self.document.problem(loc, "a colon needs a space after it.", of_key=True)
        near = hint(key, valid) if nearest(key, valid) else self._home(loc) or "."
        return self.document.problem(loc, f"unknown key{near}", f"Valid keys here: {listed(valid)}.", of_key=True)

    def _home(self, loc: Loc) -> str:
        """Where a key that stands in the wrong place belongs; empty when it belongs nowhere."""
        for section, field in self.model.model_fields.items():
            for model in _models(field.annotation):
                if loc[-1] in model.model_fields and model is not self._model(loc[:-1]):
                    kind = get_args(model.model_fields["type"].annotation)[0] if section == "design" else ""
                    return f"; it belongs in {section}" + (f" of a {kind} study." if kind else ".")
        return ""

    def missing(self, loc: Loc) -> Problem:
        model = self._model(loc[:-1])
        meaning = model.model_fields[str(loc[-1])].description if model else None
        return self.document.problem(loc, "this key is missing.", f"Add it: {meaning}." if meaning else "Add it.")

    def wrong(self, loc: Loc, found: Sequence[_Found]) -> Problem:
        value, first = self.document.at(loc), found[0]
        if "ctx" in first.error and "error" in first.error["ctx"]:  # a validator's own sentence
            return self.document.problem(loc, str(first.error["ctx"]["error"]).removesuffix(".") + ".")
        if first.kind == "union_tag_not_found":
            return self.document.problem((*loc, "type"), "this key is missing.", "Add it: panel or cohort.")
        if first.kind == "union_tag_invalid":
            loc, value = (*loc, "type"), self.document.at((*loc, "type"))
        choices = [c for f in found for c in f.choices]
        if choices and len(found) == 1:
            return self._not_among(loc, value, choices)
        expected = " or ".join(dict.fromkeys(_expected(f) for f in found))
        ending = hint(value, choices) if isinstance(value, str) else "."
        mend = _mend(loc, value, {f.kind for f in found}) if ending == "." else ""
        return self.document.problem(loc, f"expected {expected}, found {described(value)}{ending}", mend)

    def _not_among(self, loc: Loc, value: Any, choices: Sequence[str]) -> Problem:
        word = {True: _YES[0], False: _NO[0]}.get(value, "") if isinstance(value, bool) else str(value)
        return self.document.problem(
            loc,
            f"{described(value)} is not one of the values allowed" + hint(word, choices),
            f"Allowed: {listed(choices)}.",
        )

    def _model(self, loc: Loc) -> type[BaseModel] | None:
        """The model that the mapping at `loc` is held against."""
        model: type[BaseModel] | None = self.model
        place, names = self.base, False
        for part in loc[len(self.base) :]:
            place = (*place, part)
            if isinstance(part, int) or names:  # a place in a list, or a name that the study file gives
                names = False
                continue
            field = model.model_fields.get(part) if model else None
            model = _chosen(_models(field.annotation), self.document.at(place)) if field else None
            names = field is not None and get_origin(field.annotation) is dict
        return model


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Every model named in an annotation."""
    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for inner in get_args(annotation) for m in _models(inner)]


def _chosen(models: Sequence[type[BaseModel]], value: Any) -> type[BaseModel] | None:
    """Of a discriminated union's models, the one whose `type` the value bears; a cohort with index events is built."""
    if len(models) < 2:
        return models[0] if models else None
    given = value if isinstance(value, dict) else {}
    fitting = [
        m
        for m in models
        if "type" in m.model_fields and given.get("type") in get_args(m.model_fields["type"].annotation)
    ]
    built = "index" in given or "comparison" in given
    return next((m for m in fitting if ("index" in m.model_fields) == built), next(iter(fitting), None))


def described(value: Any) -> str:
    """What stands in the file, in a few words."""
    if isinstance(value, (list, dict)):
        kind = "list" if isinstance(value, list) else "mapping"
        return f"a {kind}" if value else f"an empty {kind}"
    if value is None or value == "":
        return "nothing"
    if isinstance(value, str):
        return f'the text "{value if len(value) <= 40 else value[:37] + "..."}"'
    kind = "switch" if isinstance(value, bool) else "date" if isinstance(value, date) else "number"
    return f"the {kind} {str(value).lower()}"


def _expected(found: _Found) -> str:
    if found.kind in _EXPECTED:
        return _EXPECTED[found.kind]
    if found.choices:
        return " or ".join(f'"{c}"' for c in found.choices)
    said = found.error["msg"].removeprefix("Input should be ")
    return f"a number {said}" if said.startswith(("greater", "less")) else said


def _mend(loc: Loc, value: Any, kinds: set[str]) -> str:
    """How to mend the commonest slips: numbers and dates as text, text as switches, free text as an id."""
    if "string_type" in kinds and isinstance(value, (bool, int, float, date)):
        if loc[-1] in _IDS:
            return "Write an id, which begins with a letter."
        written = str(value).lower() if isinstance(value, bool) else str(value)
        return f'Write it in quotes: "{written}".'
    if "bool_type" in kinds and isinstance(value, str) and value.casefold() in (*_YES, *_NO):
        return f"Write {'true' if value.casefold() in _YES else 'false'}."
    if "list_type" in kinds and isinstance(value, (str, int, float)):
        return f"Write [{value}]."
    if "string_pattern_mismatch" in kinds:
        return f"Write {slug(str(value))}."
    return ""
