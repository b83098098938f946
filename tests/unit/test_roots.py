"""The root finder: the right place, in few calls, whatever the function does."""

import math

import pytest

from evaluation.inference.roots import sign_change

SMOOTH = [
    (lambda x: math.cos(x) - x, 0.0, 2.0, 0.7390851332151607),
    (lambda x: x - math.cos(x), 0.0, 2.0, 0.7390851332151607),
    (lambda x: 2 - x**9, 0.0, 3.0, 2 ** (1 / 9)),
    (lambda x: math.exp(-x) - 1e-3, 0.0, 50.0, math.log(1000)),
]


@pytest.mark.parametrize(("function", "low", "high", "root"), SMOOTH)
def test_smooth_functions_take_few_calls(function, low, high, root):
    calls = []

    def counted(x):
        calls.append(x)
        return function(x)

    found = sign_change(counted, low, high, close=1e-12)
    assert found == (pytest.approx(root, rel=2e-12), pytest.approx(root, rel=2e-12))
    assert len(calls) < 18


@pytest.mark.parametrize("broken", [lambda x: 1.0 if x < 1.2345 else -1.0, lambda x: math.inf if x < 1.2345 else -0.1])
def test_the_ends_lie_on_the_sides_of_a_jump(broken):
    low, high = sign_change(broken, 0.0, 3.0, close=1e-9)
    assert broken(low) > 0 > broken(high)
    assert high - low <= 1e-9 * high


@pytest.mark.parametrize(("function", "root"), [(lambda x: 1 - x, 1.0), (lambda x: 0.5 - x, 0.5)])
def test_zeros_met_on_the_way_are_the_answer(function, root):
    assert sign_change(function, 0.0, 1.0, close=1e-6)[1] == pytest.approx(root, abs=1e-6)


def test_functions_between_neighbouring_numbers():
    low, high = sign_change(lambda x: 1.0 if x < math.pi else -1.0, 3.0, 4.0, close=0.0)
    assert math.nextafter(low, 4) == high == math.pi
