"""Builders of settings, scores and evaluations."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avis import store
from avis.evaluation.evaluate import evaluate
from avis.evaluation.identification import Identification
from avis.evaluation.settings import Evaluation


@pytest.fixture
def evaluation() -> Callable[..., Evaluation]:
    """Return settings of few draws, but for some changes."""

    def build(**changes: Any) -> Evaluation:
        settings = {
            "seed": 0,
            "bootstrap_draws": 40,
            "confidence": 0.95,
            "operating_points": {},
            "fmrs": [0.01],
            "subgroups": [],
            "fairness_min_trials": 1,
            "identification": Identification(ranks=[], false_alarm_rates=[]),
            "trials_in_memory": 1000,
        }
        return Evaluation(**settings | changes)

    return build


@pytest.fixture
def evaluated(tmp_path: Path, evaluation: Callable[..., Evaluation]) -> Callable[..., dict[str, Any]]:
    """Evaluate the list ``x`` below ``out``, with changed settings, and return what ``metrics.json`` says of it."""

    def run(uri: str, *, baseline: str | None = None, **changes: Any) -> dict[str, Any]:
        out = str(tmp_path / "out")
        path = evaluate({"x": uri}, out, facts={}, evaluation=evaluation(**changes), baseline=baseline).metrics_path
        metrics: dict[str, Any] = json.loads(Path(path).read_text())["x"]
        return metrics

    return run


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., str]:
    """Write a table as a Parquet file of this name."""

    def write(name: str, table: pa.Table, row_group_size: int | None = None) -> str:
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=row_group_size)
        return str(tmp_path / f"{name}.parquet")

    return write


@pytest.fixture
def text(tmp_path: Path) -> Callable[[str, list[str]], str]:
    """Write lines as a text file of this name."""

    def write(name: str, lines: list[str]) -> str:
        (tmp_path / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
        return str(tmp_path / f"{name}.txt")

    return write


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., str]:
    """Write a table as a scores store of two parts with these facts in its manifest."""

    def write(name: str, table: pa.Table, **facts: Any) -> str:
        uri, half = str(tmp_path / name), len(table) // 2
        for part, rows in (("part-00000", table.slice(0, half)), ("part-00001", table.slice(half))):
            store.commit_part(uri, part, {"scores": rows}, row_group_rows=1000)
        store.finish(uri, parts=[], inputs="x", facts=facts)
        return uri

    return write


@pytest.fixture
def speakers_table() -> Callable[..., pa.Table]:
    """Return trials of 15 speakers with everything that scores may have, as a system of some noise scores them."""

    def build(seed: int = 1, noise: float = 2.0, num: int = 600) -> pa.Table:
        rng = np.random.default_rng(7)
        one, other = rng.integers(0, 15, (2, num))
        other[: num // 2] = one[: num // 2]
        quality = rng.normal(2 * (one == other))
        rng = np.random.default_rng(seed)
        score = (quality + noise * rng.normal(size=num)).astype(np.float32)
        columns = {
            "enroll": [f"e{i}" for i in range(num)],
            "test": [f"t{i}" for i in range(num)],
            "target": one == other,
            "score": score,
            "llr": 2 * score - 2,
            "enroll_speaker": [f"s{i:02d}" for i in one],
            "test_speaker": [f"s{i:02d}" for i in other],
            "gender": np.where(one < 7, "f", "m"),
            "duration_s": np.random.default_rng(1).uniform(1, 9, num),
        }
        return pa.table(columns).take(rng.permutation(num))

    return build
