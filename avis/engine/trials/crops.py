"""Short stretches of utterances, so that what is fitted on recordings knows short ones as well as long ones."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avis.audio.crop import crop_start
from avis.augment.rng import example_rng

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
        new = {"utt_id": crop_ids(index["utt_id"]), "num_samples": pa.array(spans), "speech_s": speech}
        for name, column in new.items():
            field = index.schema.field(name)
            index = index.set_column(index.column_names.index(name), field, column.cast(field.type))
        return index


def crop_ids(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the ids of crops of utterances, or of models."""
    return pc.binary_join_element_wise(ids, CROP, "")
