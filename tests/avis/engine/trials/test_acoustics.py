"""Utterances of a store are measured as recordings are."""

import numpy as np
import pyarrow as pa
import pytest

from avis import store
from avis.acoustics.measure import ATTRIBUTES, measure
from avis.audio.codec import read_all
from avis.engine.trials import acoustics
from avis.engine.trials.acoustics import AcousticsMaker
from avis.explain import acoustics as compared
from avis.schema import acoustics_schema


@pytest.mark.parametrize("measured_s", [10.0, 1.0])
def test_what_is_wanted_is_measured_from_its_start_on(tiny_store: str, monkeypatch, measured_s: float):
    monkeypatch.setattr(acoustics, "MEASURED_S", measured_s)
    uri = max(store.part_uris(tiny_store, "utterances"), key=lambda part: store.open_part(part).metadata.num_rows)
    rows = store.open_part(uri).read(["utt_id", "audio", "sample_rate"]).to_pylist()[1:]
    made = AcousticsMaker()(pa.table({"uri": [uri] * len(rows), "utt_id": [row["utt_id"] for row in rows]}))[
        "acoustics"
    ]
    assert rows
    assert made.schema == acoustics_schema(ATTRIBUTES)
    for row, told in zip(rows, made.to_pylist(), strict=True):
        samples = read_all(row["audio"])[: int(measured_s * row["sample_rate"])]
        assert told == {"utt_id": row["utt_id"], **measure(samples, sample_rate=row["sample_rate"])}
    assert np.isfinite(made["f0_median_hz"].to_numpy()).any()


def test_as_much_is_measured_of_a_population_as_of_what_is_compared_with_it():
    assert acoustics.MEASURED_S == compared.MEASURED_S
