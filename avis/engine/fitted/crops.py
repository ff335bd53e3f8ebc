"""Short stretches of utterances, so that what is fitted on recordings knows short ones as well as long ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avis.audio.crop import crop_start
from avis.augment.rng import example_rng
from avis.engine.fitted.calibration_trials import CalibrationTrials

CROP = "#crop"
"""Ends the id of an utterance's crop, and of an enrolment model of crops."""

_PASS = -2


@dataclass(frozen=True)
class Crops:
    """One crop of each utterance, of a length drawn evenly; an utterance that is shorter than that is taken whole.

    Parameters
    ----------
    shortest_s, longest_s : float
    sample_rate : int
    seed : int
        Length and place follow from it and the utterance's id alone.

    References
    ----------
    Thienpondt, Desplanques and Demuynck, https://arxiv.org/abs/2010.11255: quality-aware calibration on trials of short
    (2 to 6 s) and long utterances, each against each.
    """

    shortest_s: float
    longest_s: float
    sample_rate: int
    seed: int

    def span(self, utt_id: str, num_samples: int) -> tuple[int, int]:
        """Return where the crop of an utterance of so many samples begins, and how many it has."""
        rng = example_rng(self.seed, _PASS, utt_id)
        num = min(num_samples, round(rng.uniform(self.shortest_s, self.longest_s) * self.sample_rate))
        return crop_start(num_samples, num, rng), num

    def rows(self, index: pa.Table) -> pa.Table:
        """Return light columns of the utterances' crops; speech is taken to be spread evenly over an utterance."""
        lengths = index["num_samples"].to_pylist()
        spans = [self.span(*row)[1] for row in zip(index["utt_id"].to_pylist(), lengths, strict=True)]
        speech = pc.multiply(index["speech_s"], pa.array(np.array(spans) / np.array(lengths)))
        new = {"utt_id": named(index["utt_id"]), "num_samples": pa.array(spans), "speech_s": speech}
        for name, column in new.items():
            field = index.schema.field(name)
            index = index.set_column(index.column_names.index(name), field, column.cast(field.type))
        return index


def crops_of(cfg: dict[str, Any]) -> Crops | None:
    """Return the crops that the configured calibration is fitted on besides whole utterances, if any.

    Raises
    ------
    ValueError
        If their lengths are not two that make sense.
    """
    lengths = (cfg.get("calibration") or {}).get("crops_s")
    if not lengths:
        return None
    if not isinstance(lengths, list) or len(lengths) != 2 or not 0.0 < lengths[0] <= lengths[1] < np.inf:
        raise ValueError(
            f"crops out of range: got crops_s={lengths} s, expected the shortest length, above 0, and the longest. "
            "At calibration.crops_s. Correct it, or give null for whole utterances alone."
        )
    return Crops(lengths[0], lengths[1], sample_rate=cfg["sharding"]["sample_rate"], seed=cfg["seed"])


def with_crops(given: CalibrationTrials) -> CalibrationTrials:
    """Let each side of a trial be whole and cropped, so that one becomes four; a model is of crops then."""
    assert given.trials is not None
    forms = [
        given.trials.set_column(0, "enroll", enroll).set_column(1, "test", test)
        for enroll in (given.trials["enroll"], named(given.trials["enroll"]))
        for test in (given.trials["test"], named(given.trials["test"]))
    ]
    models = given.models
    if models is not None:
        models = pa.concat_tables([models, pa.table([named(column) for column in models.columns], models.schema)])
    return given._replace(trials=pa.concat_tables(forms), models=models)


def named(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the ids of crops of utterances, or of models."""
    return pc.binary_join_element_wise(ids, CROP, "")
