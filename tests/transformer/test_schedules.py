"""Schedules against values worked by hand from their formulas."""

from __future__ import annotations

import math

import pytest

from merganser.errors import ConfigError
from merganser.transformer import Constant, Cosine, Linear, Noam


def test_noam_matches_the_paper():
    schedule = Noam(512, n_warmup=4000)
    assert schedule(4000) == pytest.approx(6.987712e-4, rel=1e-6)
    assert schedule(1) == pytest.approx(512**-0.5 * 4000**-1.5)
    assert schedule(0) == schedule(1)
    assert schedule(16000) == pytest.approx(schedule(4000) / 2)
    assert Noam(512, factor=2.0)(77) == pytest.approx(2 * schedule(77))


def test_linear_rises_and_falls_in_straight_lines():
    schedule = Linear(2.0, n_steps=12, n_warmup=4)
    assert [schedule(step) for step in (0, 1, 4, 8, 12, 99)] == [0.0, 0.5, 2.0, 1.0, 0.0, 0.0]


def test_cosine_is_half_a_wave_down_to_the_floor():
    schedule = Cosine(1.0, n_steps=14, n_warmup=4, floor=0.2)
    assert [schedule(step) for step in (0, 2, 4)] == [0.0, 0.5, 1.0]
    assert schedule(9) == pytest.approx(0.6)
    assert schedule(6) == pytest.approx(0.2 + 0.8 * (1 + math.cos(math.pi / 5)) / 2)
    assert schedule(14) == pytest.approx(0.2)
    assert schedule(1000) == pytest.approx(0.2)


def test_constant_stays_after_its_warmup():
    assert [Constant(3.0, n_warmup=3)(step) for step in (0, 1, 3, 500)] == [0.0, 1.0, 3.0, 3.0]
    assert Constant(3.0)(0) == 3.0


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Constant(-1.0), "rate"),
        (lambda: Constant(math.nan), "rate"),
        (lambda: Linear(1.0, n_steps=3, n_warmup=4), "n_steps"),
        (lambda: Cosine(1.0, n_steps=3, n_warmup=-1), "n_warmup"),
        (lambda: Cosine(1.0, n_steps=3, floor=2.0), "floor"),
        (lambda: Noam(0), "d_model"),
    ],
)
def test_bad_settings_are_refused_by_name(make, word):
    with pytest.raises(ConfigError, match=word):
        make()
