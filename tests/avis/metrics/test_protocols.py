import numpy as np
import pytest

from avis.metrics.protocols import PROTOCOLS


@pytest.mark.parametrize(
    ("name", "odds"),
    [
        ("SRE08", [9.9]),
        ("SRE10", [999]),
        ("SRE12", [99, 999]),
        ("SRE16", [99, 199]),
        ("SRE18", [99, 199]),
        ("SRE19", [99, 199]),
        ("SRE18-VAST", [19]),
        ("SRE19-AV", [19]),
        ("SRE20", [19]),
        ("SRE21", [99, 19]),
        ("VoxSRC", [19]),
        ("VoxCeleb-0.01", [99]),
        ("VoxCeleb-0.05", [19]),
    ],
)
def test_published_odds(name: str, odds: list[float]) -> None:
    assert np.exp([point.threshold for point in PROTOCOLS[name]]) == pytest.approx(odds)
