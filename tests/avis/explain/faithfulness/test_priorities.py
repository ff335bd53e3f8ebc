"""What comes first, by routes and by baselines."""

import numpy as np
import pytest
import torch

from avis.audio.codec import to_float
from avis.explain.faithfulness.maps import side
from avis.explain.faithfulness.priorities import attention_of, by_baselines, by_routes, own_embeddings
from avis.explain.record import Matrix, Segment
from avis.explain.side import side_of
from avis.verifier import Verifier
from tests.avis.conftest import RATE, talk


def segment(start_s: float, end_s: float, **values) -> Segment:
    return Segment(side="test", start_s=start_s, end_s=end_s, **values)


def test_routes_are_those_that_were_taken():
    segments = [
        Segment(side="enroll", start_s=0, end_s=1, llr=9.0),
        segment(0, 1, llr=1.0, removed={"splice": 3.0, "mean": 1.0}, gradient=0.5),
        segment(1, 2, llr=-2.0, removed={"splice": 2.0, "mean": 4.0}),
    ]
    found = by_routes(segments, None, toward=-1)
    assert {by: values.tolist() for by, values in found.items()} == {
        "share": [-1.0, 2.0],
        "splice": [-3.0, -2.0],
        "mean": [-1.0, -4.0],
    }


def test_a_window_counts_evenly_along_it():
    windows = Matrix(
        enroll=[(0, 2), (1, 3)],
        test=[(0, 2), (1, 3), (0, 2)],
        enroll_recording=[0, 0],
        test_recording=[0, 0, 1],
        values=[[1, 10, 5], [3, 20, 5]],
        total=44,
        rest=0,
    )
    segments = [segment(0, 1), segment(1, 3), segment(0, 0.5, recording=1)]
    found = by_routes(segments, windows, toward=1)
    assert list(found) == ["windows"]
    assert found["windows"].tolist() == [2.0, 2.0 + 30.0, 2.5]


def test_loud_segments_and_those_with_speech_come_first(parts):
    verifier = Verifier(parts)
    loud, soft, silent = 0.5 * talk(1, 1.0), 0.05 * talk(2, 1.0), 1e-4 * np.ones(RATE, np.float32)
    test = side(verifier, (np.concatenate([soft, loud, silent]), RATE))
    found = by_baselines(verifier, test)
    assert list(found) == ["energy", "speech", "attention"]
    assert found["energy"].argmax() == 1
    assert found["speech"].argmin() == 2
    samples = to_float(test.heard[0].values)
    assert found["energy"].sum() == pytest.approx(np.square(samples, dtype=np.float64).sum(), rel=1e-5)


def test_attention_is_shared_out_among_segments(parts):
    verifier = Verifier(parts)
    test = side(verifier, (talk(1), RATE))
    found = attention_of(verifier, test.heard[0])
    assert found.shape == (len(test.heard[0].edges) - 1,)
    assert found.sum() == pytest.approx(1.0, abs=1e-5)
    with torch.no_grad():
        verifier.model.pooling.attention.weight.zero_()  # all frames weigh alike
    lengths = np.diff(test.heard[0].edges) / len(test.heard[0].values)
    assert attention_of(verifier, test.heard[0]) == pytest.approx(lengths, abs=0.01)


def test_a_pooling_without_weights_has_no_attention(by_hand, voice):
    assert list(by_baselines(by_hand, side(by_hand, voice(500.0)))) == ["energy", "speech"]


def test_segments_are_embedded_by_themselves(by_hand, voice):
    test = side_of(by_hand, "test", [voice(500.0), voice(500.0, 1, duration_s=1.0)])
    found = own_embeddings(by_hand, test)
    edges = test.heard[0].edges
    assert len(found) == len(edges) - 1 + 1
    assert found[0] == pytest.approx(by_hand.embedding_of(test.heard[0].values[: edges[1]]))
    assert found[-1] == pytest.approx(test.heard[1].embedding)
