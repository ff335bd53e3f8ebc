"""Build the configured back-end and fit it on the training speakers."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hydra.utils import instantiate

from avis.checkpoints.run_checkpoints import read_checkpoint
from avis.digest import fingerprint, table_digest
from avis.engine.examples.stream import make_banks
from avis.engine.fitted.fitted_once import fitted_once
from avis.engine.trials.embeddings import checkpoint_digest, embed, embedding_matrix
from avis.engine.workers.compute import Compute
from avis.engine.workers.parts import shared_by_workers
from avis.names import shared
from avis.scoring.projection import Projection
from avis.scoring.trial_ids import gather

IDENTITY = ["utt_id", "speaker", "sha256"]
"""Columns of the utterances table that say what a back-end was fitted on."""


def build_backend(scoring: dict[str, Any]) -> Any:
    """Build the back-end, not fitted yet.

    Raises
    ------
    ValueError
        If it needs another domain's utterances to adapt to and none are named, or the other way round.
    """
    backend = instantiate(scoring["backend"])
    corpus = scoring.get("adapt_corpus")
    if backend.adapts != (corpus is not None):
        raise ValueError(
            f"adaptation incomplete: got adapt_corpus={corpus} for a back-end that {'' if backend.adapts else 'never '}"
            "adapts, expected the name of a corpus for one that does, null for others. At scoring.adapt_corpus. "
            "Correct it, or choose another back-end (avis.scoring.adaptation.AdaptedPlda adapts)."
        )
    return backend


def fitted_backend(
    cfg: dict[str, Any], checkpoint: str, utterances: str, index: pa.Table, run_dir: str, *, tested: set[str]
) -> Any:
    """Return the configured back-end, fitted on training speakers; it is kept beside the checkpoint and reused.

    A model that was imported names no training speakers: then they are those of the store's training split.

    Parameters
    ----------
    index : pyarrow.Table
        Light columns of the utterances table.
    tested : set of str
        Speakers of the trials and of the calibration: their utterances are not adapted to.

    Raises
    ------
    ValueError
        If it was not fitted yet and the store has none of the checkpoint's training speakers, or none of the corpus to
        adapt to.
    """
    scoring, compute = cfg["scoring"], instantiate(cfg["compute"])
    backend = build_backend(scoring)
    if isinstance(backend, Projection) and not backend.learns:
        return backend
    loaded = read_checkpoint(checkpoint)
    training = _training(index, loaded["speakers"])
    chosen = _sample(training, scoring["fit_utterances"], cfg["seed"])
    domain = _domain(index, scoring.get("adapt_corpus"), tested) if len(training) else training
    fitted_on = [table_digest(table.select(IDENTITY)) for table in (training, chosen, domain)]

    def fit() -> None:
        vectors, speakers = _fit_embeddings(cfg, checkpoint, utterances, chosen, run_dir, compute)
        backend.fit(vectors, speakers)
        if len(domain):
            embedded = embed(
                checkpoint,
                utterances,
                domain["utt_id"],
                run_dir=run_dir,
                compute=compute,
                label=f"embed {scoring['adapt_corpus']}",
            )
            backend.adapt(embedding_matrix(embedded))

    return fitted_once(
        backend,
        checkpoint,
        kind="backend",
        recipe=fingerprint([scoring, checkpoint_digest(checkpoint)]),
        data=fingerprint(fitted_on) if len(training) else None,
        fit=fit,
        needs="training speakers",
    )


def _training(index: pa.Table, speakers: list[str]) -> pa.Table:
    if not speakers:
        return index.filter(pc.equal(index["split"], "train"))
    known = shared(index["speaker"].unique().to_pylist(), speakers)
    return index.filter(pc.is_in(index["speaker"], pa.array(known, pa.string())))


def _sample(training: pa.Table, num: int, seed: int) -> pa.Table:
    if len(training) <= num:
        return training
    return training.take(np.sort(np.random.default_rng(seed).permutation(len(training))[:num]))


def _domain(index: pa.Table, corpus: str | None, tested: set[str]) -> pa.Table:
    """Return the utterances to adapt to: of the corpus, except of the speakers that are tested."""
    if corpus is None:
        return index.slice(0, 0)
    untested = pc.invert(pc.is_in(index["speaker"], pa.array(sorted(tested), pa.string())))
    domain = index.filter(pc.and_(pc.equal(index["corpus"], corpus), untested))
    if len(domain) < 2:
        raise ValueError(
            f"nothing to adapt to: got {len(domain)} utterances of adapt_corpus={corpus} by speakers that are not in "
            f"the trials, expected at least 2. At scoring.adapt_corpus; the store has "
            f"{', '.join(sorted(index['corpus'].unique().to_pylist()))}. Name another corpus, or add to this one."
        )
    return domain


def _fit_embeddings(
    cfg: dict[str, Any], checkpoint: str, utterances: str, chosen: pa.Table, run_dir: str, compute: Compute
) -> tuple[np.ndarray, np.ndarray]:
    copies = cfg["scoring"]["fit_copies"]
    banks = make_banks(read_checkpoint(checkpoint)["recipe"], utterances) if copies else {}
    embedded = embed(
        checkpoint,
        utterances,
        chosen["utt_id"],
        run_dir=run_dir,
        compute=compute,
        label="embed training speakers",
        copies=copies,
        banks=shared_by_workers(banks, compute),
    )
    speakers = np.array(chosen["speaker"].to_pylist())[gather(embedded["utt_id"], chosen["utt_id"])]
    return embedding_matrix(embedded), speakers
