"""A verifier keeps voices that it was trained on, and nobody's who is tested."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from avis.acoustics import population
from avis.acoustics.measure import ATTRIBUTES, measure
from avis.audio.codec import read_all
from avis.checkpoints.checkpoint import Checkpoint
from avis.engine.fitted import voices as gathering
from avis.engine.fitted.voices import draw, kept_voices, training_speech
from avis.engine.recipe import Recipe
from avis.engine.score import read_trials
from avis.engine.trials.embeddings import StoreEmbedder
from avis.engine.trials.lists import read_index
from avis.engine.trials.vectors import embedding_matrix
from avis.engine.verifier import leave_verifier
from avis.store import read_table
from avis.verifier import Verifier


def listed(**counts: int) -> pa.Table:
    rows = [(f"{name}/{number}", name) for name, count in counts.items() for number in range(count)]
    return pa.table({"utt_id": [row[0] for row in rows], "speaker": [row[1] for row in rows]})


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(gathering, "MOST_SPEAKERS", 2)
    monkeypatch.setattr(gathering, "MOST_UTTERANCES", 3)


@pytest.mark.usefixtures("few")
def test_speakers_of_several_utterances_are_drawn_first_and_so_many_of_each():
    for seed in range(5):
        drawn = draw(listed(alone=1, one=5, single=1, two=2), seed=seed)
        assert drawn["speaker"].to_pylist() == ["one"] * 3 + ["two"] * 2
        assert len(set(drawn["utt_id"].to_pylist())) == 5
    assert len(set(draw(listed(alone=1, one=5, single=1), seed=0)["speaker"].to_pylist())) == 2


@pytest.mark.usefixtures("few")
def test_the_draw_is_by_the_seed_whatever_the_order_of_rows():
    rows = listed(a=9, b=9, c=9, d=9)
    drawn = {seed: draw(rows, seed=seed)["utt_id"].to_pylist() for seed in range(8)}
    assert draw(rows.take(np.random.default_rng(0).permutation(36)), seed=0)["utt_id"].to_pylist() == drawn[0]
    assert len(set(map(tuple, drawn.values()))) > 5
    assert {utt_id[0] for ids in drawn.values() for utt_id in ids} == set("abcd")


def test_nothing_is_drawn_of_nothing():
    assert len(draw(listed(a=1).slice(0, 0), seed=0)) == 0


@pytest.mark.slow
def test_a_training_leaves_its_speakers_voices(
    tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path, capsys
):
    kept = Verifier.load(leave_verifier(tiny_recipe, checkpoint, tiny_store, str(tmp_path / "run"))).voices
    index = read_index(tiny_store)
    tested = read_trials(tiny_recipe, tiny_store, index, lineage=checkpoint.lineage).speakers
    assert sorted(checkpoint.speakers) == kept.names.tolist()
    assert tested
    assert not tested & set(kept.names.tolist())
    assert kept.acoustics is None
    assert "fewer than 5 speakers have 2 recordings" in capsys.readouterr().out
    embedder = StoreEmbedder(checkpoint, tiny_store, str(tmp_path / "other"), tiny_recipe.compute)
    for name, embedding in zip(kept.names, kept.embeddings, strict=True):
        [spoken] = [index.filter(pa.compute.equal(index["speaker"], name))["utt_id"]]
        expected = embedding_matrix(embedder.embed(spoken, label="embed")).mean(axis=0)
        np.testing.assert_allclose(embedding, expected, atol=1e-5)


@pytest.fixture
def embedder(tiny_recipe: Recipe, tiny_store: str, checkpoint: Checkpoint, tmp_path: Path) -> StoreEmbedder:
    return StoreEmbedder(checkpoint, tiny_store, str(tmp_path / "run"), tiny_recipe.compute)


def test_who_is_tested_is_left_out_however_the_name_is_written(embedder: StoreEmbedder, capsys):
    index, speakers = read_index(embedder.utterances), sorted(embedder.checkpoint.speakers)
    speech = training_speech(embedder, index, tested={speakers[0].upper()}, seed=0)
    assert kept_voices(embedder, speech).names.tolist() == speakers[1:]
    assert training_speech(embedder, index, tested=set(speakers), seed=0) is None
    assert "keeps none" in capsys.readouterr().out


@pytest.mark.slow
def test_a_population_is_of_what_is_measured_once(embedder: StoreEmbedder, monkeypatch):
    monkeypatch.setattr(population, "MIN_SPEAKERS", 3)
    monkeypatch.setattr(gathering, "MIN_SPEAKERS", 3)
    index = read_index(embedder.utterances)
    speech = training_speech(embedder, index, tested=set(), seed=0)
    there = kept_voices(embedder, speech)
    rows = read_table(embedder.utterances, "utterances").to_pylist()
    rows = [row for row in rows if row["speaker"] in set(there.names.tolist())]
    values = [measure(read_all(row["audio"]), sample_rate=row["sample_rate"]) for row in rows]
    expected = population.Population.of(
        np.array([[np.nan if each[name] is None else each[name] for name in ATTRIBUTES] for each in values]),
        np.array([row["speaker"] for row in rows]),
    )
    for name, statistics in expected.state().items():
        if name != "names":
            np.testing.assert_allclose(getattr(there.acoustics, name), statistics, rtol=1e-9)
    assert np.isfinite(there.acoustics.mean).any()
    monkeypatch.setattr(gathering, "AcousticsMaker", None)  # what was measured is there
    again = kept_voices(embedder, speech)
    np.testing.assert_array_equal(again.acoustics.speaker_means, there.acoustics.speaker_means)


def test_recordings_that_are_copies_are_no_population(embedder: StoreEmbedder, monkeypatch, capsys):
    monkeypatch.setattr(population, "MIN_SPEAKERS", 3)
    monkeypatch.setattr(gathering, "MIN_SPEAKERS", 3)

    def copies(_, chosen: pa.Table) -> np.ndarray:
        speaker = np.unique(chosen["speaker"].to_pylist(), return_inverse=True)[1]
        rounding = 1e-9 * np.random.default_rng(0).normal(size=(len(chosen), len(ATTRIBUTES)))
        return 100.0 + speaker[:, None] + rounding

    monkeypatch.setattr(gathering, "measured", copies)
    speech = training_speech(embedder, read_index(embedder.utterances), tested=set(), seed=0)
    assert kept_voices(embedder, speech).acoustics is None
    assert "keeps no acoustics of them: variances" in capsys.readouterr().out
