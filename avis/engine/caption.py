"""Teach a captioner to say of a run's embeddings what explanations say; see `avis.explain.caption`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from avis.acoustics.measure import ATTRIBUTES
from avis.engine.explain import calibrated_verifier
from avis.engine.fitted.backend import training_utterances
from avis.engine.fitted.voices import draw, measured
from avis.engine.scored import recipe_of, utterances_of
from avis.engine.train import trained
from avis.engine.trials.embeddings import StoreEmbedder
from avis.engine.trials.explainer import one_thread
from avis.engine.trials.lists import read_index
from avis.engine.trials.vectors import embedding_matrix, speech_seconds
from avis.engine.workers.console import on_terminal, show_progress
from avis.explain.caption.captioner import Captioner
from avis.explain.caption.folder import write_captioner
from avis.explain.caption.pairs import Recorded, draw_others, draw_pairs, embeddings, truth_of
from avis.explain.caption.scores import Held, scores
from avis.explain.caption.training import Lesson
from avis.metrics.bootstrap import Resampling
from avis.names import shared
from avis.random_streams import stream, stream_seed
from avis.scoring.trial_ids import gather
from avis.verifier.embedder import LEAST_SPEECH_S, Voiceprint
from avis.verifier.verifier import Verifier

NUM_HELD = 400
"""Pairs of speakers that nothing was learnt from."""

NUM_DRAWS, CONFIDENCE = 1000, 0.95


@dataclass(frozen=True, kw_only=True)
class Captioning:
    """How a captioner is taught.

    Attributes
    ----------
    num_pairs : int
        Different pairs that it learns from.
    num_steps : int
        Of the training.
    seed : int
    """

    num_pairs: int
    num_steps: int
    seed: int


def teach(model: str, asked: Mapping[str, Any]) -> tuple[str, Captioner]:
    """Teach a captioner by a run's training speakers, score it on others, and leave it with the run's verifier.

    Parameters
    ----------
    model : str
        Folder of a run that was scored.
    asked : mapping
        As `avis.engine.config.check_composed` returns it.

    Returns
    -------
    (str, Captioner)
        Its folder, and itself, scored.

    Raises
    ------
    ValueError
        If there is no such run, it is not calibrated, its recordings are gone, or its speakers are too few.
    """
    captioning = Captioning(**{key: asked[key] for key in ("num_pairs", "num_steps", "seed")})
    verifier, recipe = calibrated_verifier(model), recipe_of(model, asked)
    checkpoint, utterances = trained(recipe, model), utterances_of(model, recipe)
    embedder = StoreEmbedder(checkpoint, utterances, model, recipe.compute, recipe.max_window_s)
    index = read_index(utterances)
    index = index.filter(pc.is_valid(index["speaker"]))
    learning = training_utterances(index, checkpoint.speakers)
    known = pa.array(shared(index["speaker"].unique().to_pylist(), learning["speaker"].unique().to_pylist()))
    rest = index.filter(pc.invert(pc.is_in(index["speaker"], known)))
    learnt, others = (_recorded(embedder, each, seed=recipe.seed) for each in (learning, rest))
    with one_thread():
        captioner = _taught(verifier, learnt, others, captioning)
    trained_on = {"speakers": len({each.speaker for each in learnt}), "recordings": len(learnt)}
    trained_on |= {"pairs": captioning.num_pairs, "steps": captioning.num_steps}
    return write_captioner(verifier, captioner, trained_on=trained_on), captioner


def _recorded(embedder: StoreEmbedder, index: pa.Table, *, seed: int) -> list[Recorded]:
    """Embed and measure some utterances of each speaker on workers; those of the verifier's voices are so already."""
    chosen = draw(index, seed=seed)
    if not len(chosen):
        return []
    embedded = embedder.embed(chosen["utt_id"], label="embed recordings")
    found = embedding_matrix(embedded)[gather(chosen["utt_id"], embedded["utt_id"])]
    seconds, values = speech_seconds(chosen["utt_id"], index), measured(embedder, chosen)
    return [
        Recorded(
            speaker=row["speaker"],
            voiceprint=Voiceprint(
                embedding=embedding,
                speech_s=float(speech_s),
                quality={},
                unheard=None,
                model=embedder.checkpoint.digest,
                sha256=row["sha256"],
            ),
            acoustics={
                name: float(value) if np.isfinite(value) else None
                for name, value in zip(ATTRIBUTES, heard, strict=True)
            },
        )
        for row, embedding, speech_s, heard in zip(
            chosen.select(["speaker", "sha256"]).to_pylist(), found, seconds, values, strict=True
        )
        if speech_s >= LEAST_SPEECH_S
    ]


def _taught(
    verifier: Verifier, learnt: Sequence[Recorded], others: Sequence[Recorded], captioning: Captioning
) -> Captioner:
    seed = captioning.seed
    pairs = _pairs(learnt, captioning.num_pairs, stream(seed, "caption pairs"))
    held = _pairs(others, NUM_HELD, stream(seed, "captions held out"))
    texts = [*_truths(verifier, learnt, pairs, label="tell pairs")]
    lesson = Lesson(embeddings(learnt, pairs), texts, num_steps=captioning.num_steps, seed=seed)
    for _ in _shown(lesson.steps(), "learn captions", captioning.num_steps):
        pass
    swapped = np.column_stack([_swapped(others, held, seed=seed), held[:, 1]])
    told = [[*_truths(verifier, others, each, label="tell pairs held out")] for each in (held, swapped)]
    names = [each.speaker for each in others]
    trials = [
        Held(names[enroll], names[test], *both, *truths)
        for (enroll, test), both, truths in zip(
            held,
            zip(embeddings(others, held), embeddings(others, swapped), strict=True),
            zip(*told, strict=True),
            strict=True,
        )
    ]
    resampling = Resampling(NUM_DRAWS, CONFIDENCE, stream_seed(seed, "caption intervals"))
    return replace(lesson.captioner, scores=scores(lesson.captioner, trials, texts, resampling))


def _pairs(recorded: Sequence[Recorded], num: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return draw_pairs([each.speaker for each in recorded], num, rng)


def _swapped(recorded: Sequence[Recorded], pairs: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    return draw_others([each.speaker for each in recorded], pairs[:, 0], stream(seed, "captions swapped"))


def _truths(verifier: Verifier, recorded: Sequence[Recorded], pairs: NDArray[np.int64], *, label: str) -> Iterator[str]:
    truths = (truth_of(verifier, recorded[enroll], recorded[test]) for enroll, test in pairs)
    return _shown(truths, label, len(pairs))


def _shown(items: Iterator[Any], label: str, total: int) -> Iterator[Any]:
    return show_progress(items, label, total, moving=on_terminal())
