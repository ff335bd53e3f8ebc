"""Build the configured back-end and fit it on the training speakers."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avis.digest import fingerprint, table_digest
from avis.engine.examples.banks import make_banks
from avis.engine.fitted.fitted_once import fitted_once
from avis.engine.scoring_settings import BackendSettings
from avis.engine.trials.embeddings import StoreEmbedder
from avis.engine.trials.vectors import embedding_matrix
from avis.names import shared
from avis.scoring.backend import Backend, score_noise
from avis.scoring.trial_ids import gather
from avis.training.example_settings import ExampleSettings

IDENTITY = ["utt_id", "speaker", "sha256"]
"""Columns of the utterances table that say what a back-end was fitted on."""


def build_backend(scoring: BackendSettings) -> Backend:
    """Build the back-end, not fitted yet.

    Raises
    ------
    ValueError
        If it needs another domain's utterances to adapt to and none are named, or the other way round; or it is to be
        fitted on nothing.
    """
    backend, corpus = scoring.backend.build(), scoring.adapt_corpus
    adapts = backend.adaptable is not None
    if adapts != (corpus is not None):
        raise ValueError(
            f"adaptation incomplete: got adapt_corpus={corpus} for a back-end that {'' if adapts else 'never '}"
            "adapts, expected the name of a corpus for one that does, null for others. At scoring.adapt_corpus. "
            "Correct it, or choose another back-end (avis.scoring.adaptation.AdaptedPlda adapts)."
        )
    if backend.needs_fit and not scoring.fit_utterances:
        raise ValueError(
            f"nothing to fit on: got fit_utterances=0 for {type(backend).__name__}, expected at least 1. At "
            "scoring.fit_utterances. Raise it, or choose scoring=cosine_plain, which needs no training speakers."
        )
    return backend


def fitted_backend(
    scoring: BackendSettings, embedder: StoreEmbedder, index: pa.Table, *, tested: set[str], seed: int
) -> Backend:
    """Return the configured back-end, fitted on training speakers; it is saved beside the checkpoint and reused.

    A model that was imported names no training speakers: then they are those of the store's training split.

    Parameters
    ----------
    scoring : BackendSettings
    embedder : StoreEmbedder
    index : pyarrow.Table
        Columns of the utterances table; see `avis.engine.trials.lists.read_index`.
    tested : set of str
        Speakers of the trials and of the calibration: their utterances are not adapted to.
    seed : int
        Draws the utterances to fit on where there are more than enough.

    Raises
    ------
    ValueError
        If it was not fitted yet and the store has none of the checkpoint's training speakers, or none of the corpus to
        adapt to.
    """
    backend = build_backend(scoring)
    if not backend.needs_fit:
        return backend
    training = training_utterances(index, embedder.checkpoint.speakers)
    chosen = _sample(training, scoring.fit_utterances, seed)
    domain = _domain(index, scoring.adapt_corpus, tested) if len(training) else training
    fitted_on = [table_digest(table.select(IDENTITY)) for table in (training, chosen, domain)]
    windowed = [length for table in (chosen, domain) for length in embedder.windowed(table)]

    def fit() -> None:
        backend.fit(*_embed_training(embedder, chosen, scoring.fit_copies))
        if backend.adaptable and len(domain):
            embedded = embedder.embed(domain["utt_id"], label=f"embed {scoring.adapt_corpus}")
            backend.adaptable.adapt(embedding_matrix(embedded))

    fitted_once(
        backend,
        embedder.checkpoint.uri,
        kind="backend",
        recipe=fingerprint([scoring.plain, embedder.checkpoint.digest]),
        data=fingerprint([*fitted_on, *windowed]) if len(training) else None,
        fit=fit,
        tried=partial(score_noise, backend, embedder.checkpoint.recipe["model"]["embedding_dim"]),
        needs="training speakers",
    )
    return backend


def training_utterances(index: pa.Table, speakers: Sequence[str]) -> pa.Table:
    """Return the rows of training speakers: of a model that names none, those of the store's training split."""
    if not speakers:
        return index.filter(pc.equal(index["split"], "train"))
    known = shared(index["speaker"].drop_null().unique().to_pylist(), speakers)
    return index.filter(pc.is_in(index["speaker"], pa.array(known, pa.string())))


def _sample(training: pa.Table, num: int, seed: int) -> pa.Table:
    if len(training) <= num:
        return training
    return training.take(np.sort(np.random.default_rng(seed).permutation(len(training))[:num]))


def _domain(index: pa.Table, corpus: str | None, tested: set[str]) -> pa.Table:
    """Return the utterances to adapt to: of the corpus, except of the speakers that are tested or unknown."""
    if corpus is None:
        return index.slice(0, 0)
    untested = pc.invert(pc.is_in(index["speaker"], pa.array([*sorted(tested), None], pa.string())))
    domain = index.filter(pc.and_(pc.equal(index["corpus"], corpus), untested))
    if len(domain) < 2:
        raise ValueError(
            f"nothing to adapt to: got {len(domain)} utterances of adapt_corpus={corpus} by speakers that are not in "
            f"the trials, expected at least 2. At scoring.adapt_corpus; the store has "
            f"{', '.join(sorted(index['corpus'].unique().to_pylist()))}. Name another corpus, or add to this one."
        )
    return domain


def _embed_training(embedder: StoreEmbedder, chosen: pa.Table, copies: int) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings of the chosen utterances, with those of augmented copies, and their speakers."""
    examples = ExampleSettings.of(embedder.checkpoint.recipe)
    banks = make_banks(examples, embedder.utterances) if copies else None
    embedded = embedder.embed(chosen["utt_id"], label="embed training speakers", copies=copies, banks=banks)
    speakers = np.array(chosen["speaker"].to_pylist())[gather(embedded["utt_id"], chosen["utt_id"])]
    return embedding_matrix(embedded), speakers
