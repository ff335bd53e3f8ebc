"""Measure what can be heard in utterances of one part of a store."""

import pyarrow as pa
import pyarrow.compute as pc

from avis.acoustics.measure import ATTRIBUTES, measure
from avis.audio.codec import read_crop
from avis.engine.trials.wanted import read_wanted
from avis.schema import acoustics_schema

MEASURED_S = 10.0
"""So much of an utterance, from its start on, is measured."""


class AcousticsMaker:
    """Measure utterances of one part of a store; see `avis.engine.workers.parts.PartMaker`."""

    def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
        """Return the acoustics of the rows of ``task`` (``uri``, ``utt_id``), all of one part."""
        uri, wanted = task["uri"][0].as_py(), set(task["utt_id"].to_pylist())
        rows = []
        for group in read_wanted(uri, wanted, ["utt_id", "audio", "num_samples", "sample_rate"]):
            for row in group.filter(pc.is_in(group["utt_id"], pa.array(sorted(wanted)))).to_pylist():
                rate, num = row["sample_rate"], row["num_samples"]
                samples = read_crop(row["audio"], start=0, num=min(num, round(MEASURED_S * rate)))
                rows.append({"utt_id": row["utt_id"], **measure(samples, sample_rate=rate)})
        return {"acoustics": pa.Table.from_pylist(rows, acoustics_schema(ATTRIBUTES))}
