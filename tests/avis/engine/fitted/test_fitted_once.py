"""What was fitted is found again, unless it was fitted otherwise or by an earlier version."""

from pathlib import Path

import numpy as np
import pytest

from avis.engine.fitted import fitted_once as kept
from avis.engine.fitted.fitted_once import fitted_once
from avis.scoring.cosine import Cosine


def mean_of(folder: Path, value: float) -> float:
    """Return the mean that is restored, or ``value`` where it has to be fitted."""
    backend = Cosine(center=True)
    fitted_once(
        backend,
        str(folder / "best.ckpt"),
        kind="backend",
        recipe="cosine",
        data="corpus",
        fit=lambda: backend.fit(np.full((2, 1), value), np.array(["a", "b"])),
        tried=lambda: backend.transform(np.array([[2.0]])),
        needs="training speakers",
    )
    return float(backend.state()["mean"][0])


def test_what_was_fitted_by_an_earlier_version_is_fitted_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert [mean_of(tmp_path, 1.0), mean_of(tmp_path, 2.0)] == [1.0, 1.0]
    monkeypatch.setitem(kept.FORMATS, "calibration", kept.FORMATS["calibration"] + 1)
    assert mean_of(tmp_path, 2.0) == 1.0
    monkeypatch.setitem(kept.FORMATS, "backend", kept.FORMATS["backend"] + 1)
    assert mean_of(tmp_path, 2.0) == 2.0


@pytest.mark.parametrize(
    "state",
    [
        {"mean": np.array([np.nan])},
        {"mean": np.array(["a"])},
        {"mean": np.array([1j])},
        {"other": np.zeros(1)},
        {"mean": np.zeros(3)},
    ],
)
def test_what_is_no_state_of_the_model_is_refused(tmp_path: Path, state: dict[str, np.ndarray]):
    mean_of(tmp_path, 1.0)
    [saved] = tmp_path.iterdir()
    np.savez(saved, **state)
    with pytest.raises(ValueError, match=rf"fitted state unusable: got .*At {saved}\. Delete it"):
        mean_of(tmp_path, 1.0)


def test_a_state_that_unpacks_out_of_nothing_is_refused(tmp_path: Path):
    mean_of(tmp_path, 1.0)
    [saved] = tmp_path.iterdir()
    np.savez_compressed(saved, mean=np.zeros(10_000_000))
    with pytest.raises(ValueError, match="fitted state unusable: got 1 compressed entries"):
        mean_of(tmp_path, 1.0)
