"""Agreements: what they cover, which clause is missing, and that those shipped as examples hold together."""

from datetime import date
from pathlib import Path

import pytest

from evaluation.dictionary.agreements import Agreement, read_agreement, read_agreements, sending, using
from evaluation.dictionary.files import read_yaml
from evaluation.errors import DataError
from tests import stores

SHIPPED = Path(__file__).parents[2] / "data_dictionary" / "agreements"
DAY = date(2026, 2, 1)


def agreement(**changed):
    import ruamel.yaml

    said = ruamel.yaml.YAML(typ="safe").load(stores.AGREEMENT)
    return Agreement.model_validate(said | changed)


@pytest.mark.parametrize(
    ("changed", "agency", "table", "fields", "said"),
    [
        ({}, "lab", "persons", [], "no agreement names lab as a party"),
        ({}, "jail", "deaths", [], "covers the table deaths (looked at: county)"),
        ({"expires": "2026-01-31"}, "jail", "persons", [], "county expired on 2026-01-31"),
        ({"starts": "2026-02-02"}, "jail", "persons", [], "county starts on 2026-02-02"),
        ({}, "jail", "agency_counts", ["count", "area_id", "month"], "these fields of agency_counts: area_id."),
    ],
)
def test_the_missing_clause_is_named(changed, agency, table, fields, said):
    relied, problems = sending([agreement(**changed)], agency, table, fields, DAY)
    assert relied == []
    assert said in problems[0].what


def test_the_first_and_the_last_day_are_in_force():
    one = agreement(starts="2026-02-01", expires="2026-02-01")
    assert [one.in_force(d) for d in (date(2026, 1, 31), DAY, date(2026, 2, 2))] == [False, True, False]


def test_two_agreements_cover_the_fields_together():
    first = agreement(tables={"agency_counts": {"fields": ["agency_id", "month"]}})
    second = agreement(agreement="more", tables={"agency_counts": {"fields": ["count"]}})
    relied, problems = sending([first, second], "jail", "agency_counts", ["month", "count"], DAY)
    assert (len(relied), problems) == (2, [])


def test_a_use_needs_its_purpose_and_leave_to_link():
    one = agreement(may_link_to=["deaths"])
    sources = {"persons": ["jail"], "justice_events": ["jail"]}
    assert using([one], sources, "evaluation", DAY, linked=True)[1] == []
    assert "to be used for research" in using([one], sources, "research", DAY, linked=True)[1][0].what
    apart = agreement(agreement="other", parties=["lab"], tables={"drug_tests": {"fields": "all"}})
    problems = using([one, apart], {"persons": ["jail"], "drug_tests": ["lab"]}, "evaluation", DAY, linked=True)[1]
    assert {p.what for p in problems} == {
        "no agreement with jail lets persons be linked to drug_tests.",
        "no agreement with lab lets drug_tests be linked to persons.",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (stores.AGREEMENT + "extra: 1\n", "Extra inputs are not permitted"),
        (stores.AGREEMENT.replace("2030-12-31", "2024-12-31"), "expires before it starts"),
        (stores.AGREEMENT.replace("cjis", "my_law"), "Input should be"),
        (stores.AGREEMENT.replace("[jail, court]", "[]"), "at least 1 item"),
        ("a: [", "not YAML"),
        ("- 1", "valid dictionary"),
    ],
)
def test_a_file_that_is_no_agreement_is_told(tmp_path, text, said):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(DataError, match=said):
        read_agreement(tmp_path / "bad.yaml")
    (tmp_path / "good.yaml").write_text(stores.AGREEMENT)
    with pytest.raises(DataError, match=r"bad\.yaml"):
        read_agreements(tmp_path)


def test_the_shipped_examples_hold_together():
    found = {a.agreement: a for a in read_agreements(SHIPPED)}
    assert [p.stem for p in sorted(SHIPPED.glob("*.yaml"))] == sorted(found)
    listed = {read_yaml(p)["name"] for p in (SHIPPED.parent / "tables").glob("*.yaml")}
    assert len(found) >= 3
    treatment = found["treatment_part2"]
    assert treatment.erase_history
    assert treatment.purposes == ("evaluation",)
    assert {b.law for b in treatment.legal_basis} >= {"42_cfr_part_2"}
    if "treatment_episodes" in listed:  # every table that an example names is one of the dictionary
        assert {t for a in found.values() for t in (*a.tables, *a.may_link_to)} <= listed
