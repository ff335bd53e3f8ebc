"""Fit the calibration on speakers who are neither trained on nor tested."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from avis.digest import fingerprint, table_digest
from avis.engine.fitted.calibration_trials import CalibrationTrials
from avis.engine.fitted.fitted_once import fitted_once
from avis.engine.recipe import ScoreRecipe
from avis.engine.trials.crops import Crops, crop_ids
from avis.engine.trials.embeddings import StoreEmbedder
from avis.engine.trials.scoring import score_pairs
from avis.engine.trials.transform import state_digest
from avis.engine.trials.vectors import TrialVectorMaker
from avis.metrics.list_metrics import CalibrationFacts
from avis.metrics.operating_point import OperatingPoint
from avis.reports.wording import beyond_cap, capped_at, fitted_on
from avis.scoring.calibration import Calibration, ScoresDoNotRise


def build_calibration(recipe: ScoreRecipe) -> Calibration | None:
    """Build the configured calibration, not fitted yet.

    Raises
    ------
    ValueError
        If a measure of it needs another back-end.
    """
    if recipe.calibration is None:
        return None
    calibration, backend = recipe.calibration.model.build(), recipe.scoring.backend.build()
    if "cohort_mean" in calibration.measures and backend.normalized is None:
        raise ValueError(
            f"measure without cohort: got cohort_mean for the back-end {type(backend).__name__}, expected a score "
            "normalisation. At calibration.model.measures. Leave it out, or choose a back-end such as "
            "scoring=wccn_as_norm."
        )
    return calibration


@dataclass(frozen=True)
class Calibrator:
    """Fits the configured calibration.

    Attributes
    ----------
    recipe : ScoreRecipe
        One that calibrates.
    embedder : StoreEmbedder
    vectors : TrialVectorMaker
        Makes the vectors of trials by the fitted back-end and the calibration's measures.
    index : pyarrow.Table
        Columns of the utterances table; see `avis.engine.trials.lists.read_index`.
    """

    recipe: ScoreRecipe
    embedder: StoreEmbedder
    vectors: TrialVectorMaker
    index: pa.Table

    def fitted(self, calibration: Calibration, trials: CalibrationTrials) -> tuple[Calibration | None, list[str]]:
        """Return the calibration, fitted on trials, and what is to be warned of.

        It is saved beside the checkpoint and reused. Scores that do not rise from non-target to target trials give
        none.

        Raises
        ------
        ValueError
            If there is nothing to fit the calibration on and none was saved.
        """
        try:
            self._fit_once(calibration, trials)
        except ScoresDoNotRise as error:
            unfitted = (
                f"There are no likelihood ratios and no decisions, since the scores could not be calibrated. {error}"
            )
            fitted, warnings = None, [unfitted]
        else:
            point = self.recipe.operating_point
            fitted, warnings = calibration, [*trials.warnings(), *_decided_one_way(calibration, point)]
        return fitted, warnings

    @property
    def crops(self) -> Crops | None:
        """What is calibrated on besides whole utterances."""
        settings = self.recipe.calibration
        if settings is None or settings.crops_s is None:
            return None
        shortest_s, longest_s = settings.crops_s
        return Crops(shortest_s, longest_s, sample_rate=self.recipe.sharding.sample_rate, seed=self.recipe.seed)

    def _fit_once(self, calibration: Calibration, trials: CalibrationTrials) -> None:
        recipe, settings = self.recipe, self.recipe.calibration
        assert settings is not None, "nothing to fit"
        data = None
        if trials.trials is not None:
            index = trials.utterances(self.index)
            used = index.select(["utt_id", "speaker", "sha256"])
            tables = [table for table in (trials.trials, trials.models, used) if table is not None]
            cropped = [dataclasses.astuple(self.crops)] if self.crops else []
            by = [state_digest(self.vectors.backend), *map(table_digest, tables), *cropped]
            data = fingerprint([*by, *self.embedder.windowed(index)])
        enrolled = [] if trials.size is None else [trials.size, recipe.enrolment_mean]
        fitted_once(
            calibration,
            self.embedder.checkpoint.uri,
            kind="calibration",
            recipe=fingerprint([recipe.scoring.plain, settings.plain, self.embedder.checkpoint.digest, *enrolled]),
            data=data,
            fit=lambda: self._fit(calibration, trials),
            tried=lambda: calibration.llr(np.zeros(1), np.zeros((1, 2 * len(calibration.measures)))),
            needs="validation speakers",
        )

    def _fit(self, calibration: Calibration, trials: CalibrationTrials) -> None:
        index, label = trials.utterances(self.index), "embed calibration trials"
        embedded = self.embedder.embed(index["utt_id"].combine_chunks(), label=label)
        if self.crops:
            label = "embed calibration crops"
            cropped = self.embedder.embed(index["utt_id"].combine_chunks(), label=label, crops=self.crops)
            cropped = cropped.set_column(0, "utt_id", crop_ids(cropped["utt_id"])).cast(embedded.schema)
            embedded = pa.concat_tables([embedded, cropped])
            index, trials = pa.concat_tables([index, self.crops.rows(index)]), trials.with_crops()
        assert trials.trials is not None, "nothing to fit on"
        vectors = self.vectors.gather(embedded, index, trials.models)
        enroll = vectors.enrolment_numbers(trials.trials["enroll"])
        test = vectors.test_rows(trials.trials["test"])
        scores, features = score_pairs(self.vectors.backend, vectors, enroll, test)
        target = trials.trials["target"].to_numpy(zero_copy_only=False).astype(bool)
        speaker = vectors.speakers.dictionary_encode().indices.to_numpy()
        speakers = np.column_stack([speaker[vectors.first_rows(enroll)], speaker[test]])
        calibration.fit(scores.get("score_norm", scores["score"]), features, target, speakers)


def _decided_one_way(calibration: Calibration, point: OperatingPoint | None) -> Iterator[str]:
    facts = CalibrationFacts(**calibration.facts())
    if point is None or not beyond_cap(facts, [point.threshold]):
        return
    yield (
        f"All trials are {'rejected' if point.threshold > 0.0 else 'accepted'}: the operating point's threshold, "
        f"{point.threshold:.2f}, is beyond all log-likelihood ratios, which are {capped_at(facts)}: a calibration on "
        f"{fitted_on(facts)} bears out no stronger ones. Hold out more speakers, or give calibration.trials."
    )
