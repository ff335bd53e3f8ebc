"""Batches as a training is given them."""

import threading

import pytest
import ray

from avis.engine.examples import batches


def test_a_training_that_gets_no_first_batch_is_told_why(monkeypatch: pytest.MonkeyPatch):
    let = threading.Event()
    monkeypatch.setattr(batches, "FIRST_WITHIN_S", 0.1)
    monkeypatch.setattr(ray, "get", lambda reference: [] if let.wait() else None)
    with pytest.raises(ValueError, match=r"no examples: got none within .* min, expected a batch"):
        next(batches.fetched(lambda rank: rank, 0))
    let.set()


def test_a_training_without_batches_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ray, "get", lambda reference: [])
    assert list(batches.fetched(lambda rank: rank, 0)) == []
