"""Ratios are put in words by a table, the same either way."""

import math

import pytest

from avis.explain.scale import ENFSI_2015, Scale, words


@pytest.mark.parametrize(
    ("ratio", "support"),
    [
        (2, "weak"),
        (9.99, "weak"),
        (10, "moderate"),
        (99, "moderate"),
        (100, "moderately strong"),
        (1e3, "strong"),
        (1e4, "very strong"),
        (9e5, "very strong"),
        (1e6, "extremely strong"),
        (1e300, "extremely strong"),
    ],
)
def test_bands_of_enfsi_are_the_same_for_two_speakers(ratio, support):
    assert words(math.log(ratio), ENFSI_2015) == f"{support} support for one speaker"
    assert words(-math.log(ratio), ENFSI_2015) == f"{support} support for two speakers"


@pytest.mark.parametrize("ratio", [1.0, 1.99, 1 / 1.99])
def test_below_the_first_band_there_is_no_support(ratio):
    assert words(math.log(ratio), ENFSI_2015) == "no support for one view over the other"


def test_a_scale_is_plain_data():
    scale = Scale([[1, "limited support"], [10, "moderate support"]])
    assert words(0.1, scale) == "limited support for one speaker"
    assert words(-5.0, scale) == "moderate support for two speakers"
    assert scale == Scale(((1.0, "limited support"), (10.0, "moderate support")))


@pytest.mark.parametrize(
    "bands",
    [
        [],
        "weak",
        None,
        [[10, "weak"], [2, "moderate"]],
        [[2, "weak"], [2, "moderate"]],
        [[0.5, "weak"]],
        [[math.nan, "weak"]],
        [[math.inf, "weak"]],
        [["2", "weak"]],
        [[True, "weak"]],
        [[2, ""]],
        [[2, 3]],
        [[2]],
        [2, 10],
        {2: "weak"},
    ],
)
def test_what_is_no_table_is_refused(bands):
    with pytest.raises(ValueError, match="a verbal scale has bands: got bands="):
        Scale(bands)
