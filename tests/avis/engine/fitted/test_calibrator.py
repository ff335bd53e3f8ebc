"""What a calibration is fitted on: scores and quality of whole and cropped sides, of utterances and of models."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from avis import store
from avis.audio.codec import read_all
from avis.checkpoints.checkpoint import Checkpoint
from avis.engine.fitted.calibration import Calibrator
from avis.engine.fitted.calibration_trials import calibration_trials, with_models
from avis.engine.recipe import Recipe
from avis.engine.trials.crops import Crops
from avis.engine.trials.embedder import Embedder
from avis.engine.trials.embeddings import StoreEmbedder
from avis.engine.trials.lists import named_models, read_index, read_lists
from avis.engine.trials.vectors import TrialVectorMaker
from avis.lineage import Lineage
from avis.scoring.calibration import Calibration
from avis.training.examples import features_of


class Recording(Calibration):
    """A calibration that remembers what it was fitted on."""

    def fit(self, *fitted_on: Any) -> None:
        self.fitted_on = fitted_on
        super().fit(*fitted_on)


def fitted_on(recipe: Recipe, checkpoint: Checkpoint, utterances: str, run_dir: Path) -> tuple[np.ndarray, ...]:
    """Fit a recipe's calibration for its trials; return scores, features, target and speakers."""
    index, settings = read_index(utterances), recipe.calibration.model.plain
    backend = recipe.scoring.backend.build()
    calibration = Recording(**{key: value for key, value in settings.items() if key != "_target_"})
    embedder = StoreEmbedder(checkpoint, utterances, str(run_dir), recipe.compute)
    make = TrialVectorMaker(backend, calibration.measures, recipe.enrolment_mean, str(run_dir), recipe.compute)
    tested = named_models(read_lists(recipe, index, lineage=Lineage()))
    trials = with_models(calibration_trials(recipe, index), index, tested)
    for saved in Path(checkpoint.uri).parent.glob("calibration-*.npz"):
        saved.unlink()
    Calibrator(recipe, embedder, make, index).fitted(calibration, trials)
    return calibration.fitted_on


@pytest.mark.slow
def test_quality_is_learnt_of_short_sides_too(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path, calibrated: Callable[..., Recipe]
):
    """Utterances of 1.5 s stand on either side whole and as crops of 0.5 to 1 s, the same for the same seed."""
    backend = {"_target_": "avis.scoring.cosine.Cosine", "center": False}
    cfg = tiny_recipe.changed({"scoring.backend": backend})
    cfg = calibrated(cfg, measures=("duration",), crops_s=[0.5, 1.0])
    first, again, reseeded = (
        fitted_on(cfg.changed({"seed": seed}), checkpoint, tiny_store, tmp_path / run)
        for seed, run in ((0, "one"), (0, "other"), (1, "third"))
    )
    scores, features, target, speakers = first
    for one, same, other in zip(first, again, reseeded, strict=True):
        np.testing.assert_array_equal(one, same)
        assert one.shape == other.shape
    assert not np.array_equal(features, reseeded[1])

    rows = store.read_table(tiny_store, "utterances").to_pylist()
    audio = {row["utt_id"]: row for row in rows}
    pairs = calibration_trials(cfg, read_index(tiny_store)).to_pylist()
    assert len(scores) == 4 * len(pairs)
    assert target.sum() == 4 * sum(pair["target"] for pair in pairs)
    assert ((speakers[:, 0] == speakers[:, 1]) == target).all()
    embedder = Embedder(lambda: checkpoint, copies=0, banks=dict, use_gpu=False)
    crops = Crops(0.5, 1.0, sample_rate=16000, seed=0)
    pair, number = pairs[3], 3
    vectors, seconds = [], []
    for side, cropped in (("enroll", False), ("test", True)):
        row = audio[pair[side]]
        waveform = read_all(row["audio"])
        share = 1.0
        if cropped:
            start, num = crops.span(row["utt_id"], len(waveform))
            assert 8000 <= num <= 16000
            waveform, share = waveform[start : start + num], num / len(waveform)
        seconds.append(row["speech_s"] * share)
        frames = features_of({"waveforms": torch.from_numpy(waveform)}, embedder.front_end)
        vectors.append(embedder.embed([frames])[0])
    number += len(pairs)  # whole against cropped follow whole against whole
    one, other = vectors
    assert scores[number] == pytest.approx(one @ other / np.linalg.norm(one) / np.linalg.norm(other), abs=1e-5)
    logs = np.log(seconds)
    np.testing.assert_allclose(features[number], [logs.min(), abs(logs[0] - logs[1])], rtol=1e-4)
    whole, shorter = features[: len(pairs), 0], features[3 * len(pairs) :, 0]
    assert shorter.max() < whole.min()


@pytest.mark.parametrize("mean", ["embeddings", "scores"])
def test_calibration_is_fitted_on_models_where_models_are_tested(
    tiny_recipe: Recipe,
    tiny_store: str,
    checkpoint: Checkpoint,
    tmp_path: Path,
    calibrated: Callable[..., Recipe],
    mean: str,
):
    models, trials = tmp_path / "models.csv", tmp_path / "trials.csv"
    models.write_text(
        "enroll_model,utt_id\none,test_0000/session_0/000\none,test_0000/session_0/001\n"
        "two,test_0001/session_0/000\ntwo,test_0001/session_0/001\n"
    )
    trials.write_text("enroll,test,target\none,test_0000/session_1/000,1\ntwo,test_0000/session_1/001,0\n")
    backend = {"_target_": "avis.scoring.cosine.Cosine", "center": False}
    lists = {"enrolments": str(models), "enrolment_mean": mean, "trials": {"synthetic": str(trials)}}
    cfg = calibrated(tiny_recipe.changed({"scoring.backend": backend, **lists}))
    scores, _, target, _ = fitted_on(cfg, checkpoint, tiny_store, tmp_path / "run")

    light = store.read_table(tiny_store, "utterances", columns=["utt_id", "speaker", "session", "split"])
    drawn = calibration_trials(cfg, read_index(tiny_store))
    given = with_models(drawn, light, pa.table({"enroll_model": ["one"] * 2, "utt_id": ["x", "y"]}))
    assert set(given.models["enroll_model"].combine_chunks().value_counts().field("counts").to_pylist()) == {2}
    kept = [store.read_table(str(path), "embeddings") for path in (tmp_path / "run" / "embeddings").iterdir()]
    vectors = {row["utt_id"]: np.array(row["embedding"]) for part in kept for row in part.to_pylist()}
    members: dict[str, list[np.ndarray]] = {}
    for row in given.models.to_pylist():
        members.setdefault(row["enroll_model"], []).append(vectors[row["utt_id"]])

    def cosine(one: np.ndarray, other: np.ndarray) -> float:
        return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))

    for row, fitted in zip(given.trials.to_pylist(), scores, strict=True):
        enrolled, test = members[row["enroll"]], vectors[row["test"]]
        of_mean = cosine(np.mean(enrolled, axis=0), test)
        assert fitted == pytest.approx(
            of_mean if mean == "embeddings" else np.mean([cosine(each, test) for each in enrolled]), abs=1e-5
        )
    np.testing.assert_array_equal(target, drawn["target"].to_numpy(zero_copy_only=False))
