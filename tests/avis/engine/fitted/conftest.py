"""What the tests of fitted back-ends and calibrations make."""

from collections.abc import Callable
from typing import Any

import pytest

from avis.engine.recipe import Recipe


@pytest.fixture(scope="session")
def calibrated() -> Callable[..., Recipe]:
    """Return what gives a recipe a calibration: ``calibrated(recipe, measures=("duration",))``."""

    def with_calibration(
        recipe: Recipe, *, trials: str | None = None, measures: tuple[str, ...] = (), crops_s: Any = None, **more: Any
    ) -> Recipe:
        model = {
            "_target_": "avis.scoring.calibration.Calibration",
            "p_target": 0.05,
            "l2": 1e-3,
            "measures": [*measures],
        }
        calibration = {"trials": trials, "max_trials": 1000, "crops_s": crops_s, "model": model}
        return recipe.changed({"calibration": calibration, **more})

    return with_calibration
