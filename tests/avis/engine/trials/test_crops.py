"""Crops: of the lengths asked for, the same for the same utterance."""

import numpy as np

from avis.engine.trials.crops import Crops

RATE = 16_000
CROPS = Crops(2.0, 6.0, sample_rate=RATE, seed=0)


def test_crops_are_of_the_lengths_asked_for_and_lie_within_the_utterance() -> None:
    spans = np.array([CROPS.span(f"u{number}", 10 * RATE) for number in range(1000)])
    starts, lengths = spans.T
    assert (starts >= 0).all()
    assert (starts + lengths <= 10 * RATE).all()
    np.testing.assert_allclose(np.percentile(lengths / RATE, [0, 25, 50, 75, 100]), [2, 3, 4, 5, 6], atol=0.2)
    assert spans.tolist() == [list(CROPS.span(f"u{number}", 10 * RATE)) for number in range(1000)]
    assert CROPS.span("short", RATE) == (0, RATE)
