"""Gather the voices that a verifier keeps of its training: mean embeddings, and what is usual of how they sound."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from avis import location, store
from avis.acoustics.band import VOICE_RATE_HZ
from avis.acoustics.measure import ATTRIBUTES
from avis.acoustics.population import MIN_SPEAKERS, MIN_UTTERANCES, Population
from avis.digest import fingerprint
from avis.engine.fitted.backend import training_utterances
from avis.engine.trials.acoustics import MEASURED_S, AcousticsMaker
from avis.engine.trials.embeddings import StoreEmbedder
from avis.engine.trials.vectors import embedding_matrix
from avis.engine.workers.parts import run_parts
from avis.names import shared
from avis.scoring.enrolment import model_means
from avis.scoring.trial_ids import gather
from avis.verifier.voices import Voices, check_population

MOST_SPEAKERS, MOST_UTTERANCES = 500, 4
"""So many speakers, and utterances of each: some 2,000, which took 50 ms of one core each where they were of 5 s."""

FORMAT = 1
"""Raised where the same recordings are measured otherwise than before."""


class Speech(NamedTuple):
    """What some speakers of the training said, sorted by speaker.

    Attributes
    ----------
    utterances : pyarrow.Table
        Columns of the utterances table.
    embeddings : float32 [utterances, dim]
    """

    utterances: pa.Table
    embeddings: NDArray[np.float32]


def training_speech(embedder: StoreEmbedder, index: pa.Table, *, tested: set[str], seed: int) -> Speech | None:
    """Embed some speakers of the training; None, with a printed line, where the store has none.

    Parameters
    ----------
    embedder : StoreEmbedder
    index : pyarrow.Table
        Columns of the utterances table; see `avis.engine.trials.lists.read_index`.
    tested : set of str
        Speakers of the trials and of the calibration, who are left out.
    seed : int
        Draws speakers and utterances where there are more than `MOST_SPEAKERS` and `MOST_UTTERANCES` of each.
    """
    training = training_utterances(index, embedder.checkpoint.speakers)
    training = training.filter(pc.is_valid(training["speaker"]))
    left_out = shared(training["speaker"].unique().to_pylist(), tested)
    chosen = draw(training.filter(pc.invert(pc.is_in(training["speaker"], pa.array(left_out, pa.string())))), seed=seed)
    if not len(chosen):
        print("voices: the verifier keeps none, since the store holds no training speakers", flush=True)
        return None
    embedded = embedder.embed(chosen["utt_id"], label="embed voices")
    return Speech(chosen, embedding_matrix(embedded)[gather(chosen["utt_id"], embedded["utt_id"])])


def kept_voices(embedder: StoreEmbedder, speech: Speech) -> Voices:
    """Return the speakers, and what is usual of how they sound."""
    chosen = speech.utterances
    names, first = np.unique(np.array(chosen["speaker"].to_pylist()), return_index=True)
    return Voices(
        names=names,
        embeddings=model_means(speech.embeddings, np.append(first, len(chosen))),
        acoustics=_population(embedder, chosen),
    )


def draw(utterances: pa.Table, *, seed: int) -> pa.Table:
    """Draw speakers and utterances of each, sorted by speaker: those of several utterances come before others."""
    rows = utterances.sort_by("utt_id")
    names, speaker = np.unique(np.array(rows["speaker"].to_pylist(), np.str_), return_inverse=True)
    counts, rng = np.bincount(speaker, minlength=len(names)), np.random.default_rng(seed)
    shuffled = rng.permutation(len(names))
    drawn = shuffled[np.argsort(counts[shuffled] < MIN_UTTERANCES, kind="stable")][:MOST_SPEAKERS]
    order = rng.permutation(len(rows))
    order = order[np.argsort(speaker[order], kind="stable")]
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows.take(order[np.isin(speaker[order], drawn) & (place < MOST_UTTERANCES)])


def _population(embedder: StoreEmbedder, chosen: pa.Table) -> Population | None:
    rate = pc.min(chosen["sample_rate"]).as_py()
    counts = chosen["speaker"].combine_chunks().value_counts().field("counts").to_numpy()
    if rate < VOICE_RATE_HZ:
        why = f"their recordings are of {rate} Hz, of which formants need {VOICE_RATE_HZ}"
    elif np.count_nonzero(counts >= MIN_UTTERANCES) < MIN_SPEAKERS:
        why = f"fewer than {MIN_SPEAKERS} speakers have {MIN_UTTERANCES} recordings"
    else:
        try:
            population = Population.of(measured(embedder, chosen), np.array(chosen["speaker"].to_pylist()))
            check_population(population)
            return population
        except ValueError as error:
            why = str(error)
    print(f"voices: the verifier keeps no acoustics of them: {why}", flush=True)
    return None


def measured(embedder: StoreEmbedder, chosen: pa.Table) -> NDArray[np.float64]:
    """Return the acoustics of utterances, float64 ``[utterances, attributes]``, NaN where there is no value."""
    ids = sorted(chosen["utt_id"].to_pylist())
    of_store = store.open_manifest(embedder.utterances)["inputs"]
    inputs = fingerprint([FORMAT, MEASURED_S, list(ATTRIBUTES), of_store, ids])
    uri = location.join(embedder.run_dir, "acoustics", inputs)
    if not store.finished(uri, inputs):
        tasks = embedder.tasks(set(ids))
        run_parts(uri, tasks, AcousticsMaker, compute=embedder.compute, label="measure voices")
        store.finish(uri, parts=tasks, inputs=inputs, facts={"utterances": embedder.utterances})
    table = store.read_table(uri, "acoustics")
    rows = table.take(gather(chosen["utt_id"], table["utt_id"]))
    return np.column_stack([pc.fill_null(rows[name], np.nan).to_numpy() for name in ATTRIBUTES])
