"""Numbers as readers meet them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.report import numbers


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0833333, "0.0833"),
        (-0.0833333, "−0.0833"),
        (12.345, "12.3"),
        (1234.5, "1,230"),
        (-0.0, "0"),
        (0.00000123456, "0.00000123"),
        (25.0, "25"),
        (99.96, "100"),
        (2.675, "2.68"),
    ],
)
def test_a_number_has_at_most_three_significant_digits(value: float, shown: str) -> None:
    assert numbers.number(value) == shown


@given(st.floats(-1e9, 1e9, allow_nan=False))
def test_no_number_is_a_negative_zero_or_has_a_hyphen_for_a_minus(value: float) -> None:
    shown = numbers.number(value)
    assert "-" not in shown
    assert shown != "−0"
    digits = shown.replace("−", "").replace(",", "").replace(".", "").strip("0")
    assert len(digits) <= 3


@pytest.mark.parametrize(
    ("value", "null", "shown"),
    [(1.00196, 1.0, "1.002"), (0.9997, 1.0, "0.9997"), (1.0, 1.0, "1"), (0.0501, 0.05, "0.0501")],
)
def test_rounding_never_puts_a_figure_onto_the_null(value: float, null: float, shown: str) -> None:
    assert numbers.number(value, 2, apart_from=null) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(8.333, "8"), (16.5049, "17"), (0.0151, "0.02"), (0.96, "1"), (0.5, "0.5"), (0, "0"), (1234.4, "1,234")],
)
def test_amounts_among_people_are_whole_and_small_ones_never_zero(value: float, shown: str) -> None:
    assert numbers.per(value) == shown


@pytest.mark.parametrize(
    ("p", "shown"),
    [(0.050116, "0.05"), (0.0494, "0.049"), (0.00012, "less than 0.001"), (0.4321, "0.43"), (0.999, "1")],
)
def test_p_values(p: float, shown: str) -> None:
    assert numbers.p_value(p) == shown


@pytest.mark.parametrize(
    ("share", "shown"), [(0.2222, "22%"), (0.004, "0.4%"), (0.0, "0%"), (1.0, "100%"), (0.9996, "more than 99.9%")]
)
def test_shares(share: float, shown: str) -> None:
    assert numbers.percent(share) == shown


@pytest.mark.parametrize(
    ("values", "shown"),
    [([3.208, 0.2214], ["3.21", "0.22"]), ([164.9, 0.22], ["165", "0.2"]), ([0.0, 2.5], ["0", "2.5"]), ([0.0], ["0"])],
)
def test_figures_side_by_side_share_their_decimals(values: list[float], shown: list[str]) -> None:
    assert numbers.aligned(values) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("chi-square 3.8376543210", "chi-square 3.84"),
        ("joint test, p = 2.22442403549e-09", "joint test, p less than 0.001"),
        ("p = 0.050116", "p = 0.05"),
        ("version 1.2.3 of 2004.25", "version 1.2.3 of 2,004"),
        ("at -1.5 and -0.00123456", "at −1.5 and −0.00123"),
        ("47 differences in 1983", "47 differences in 1983"),
    ],
)
def test_messages_keep_only_digits_a_reader_can_use(text: str, shown: str) -> None:
    assert numbers.shortened(text) == shown


def test_lists_are_phrases() -> None:
    assert [numbers.listing(x) for x in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
