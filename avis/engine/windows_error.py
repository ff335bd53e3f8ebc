"""Measure how much the scorer errs of which explanations show what windows find in each other."""

from avis.engine.scored import Scored
from avis.engine.trials.embeddings import StoreEmbedder
from avis.engine.trials.lists import TrialList, named_utterances, read_index
from avis.engine.trials.scoring import score_pairs
from avis.engine.trials.vectors import TrialVectorMaker
from avis.evaluation.score_table import ScoreTable, read_scores
from avis.explain.faithfulness.windows_scorer import WindowsError, windows_error
from avis.explain.windows import WINDOW_S
from avis.verifier.verifier import Verifier

MOST_UTTERANCES = 5000
"""Of a list: with more, embedding them in windows would take longer than what is explained of it."""


def windows_error_of(name: str, scored: Scored, verifier: Verifier) -> WindowsError | None:
    """Return the error rates of a list by windows and by what decides.

    None, with a printed line, where the list is too long or does not say who speaks. Of long recordings there are more
    windows here than `avis.explain.windows.MOST_WINDOWS`.

    Parameters
    ----------
    name : str
        Of the list.
    scored : Scored
    verifier : Verifier
        Calibrated, and that of the scores.
    """
    recipe, table = scored.recipe, ScoreTable(scored.scores[name])
    if name not in scored.answered:
        return None
    if table.num_trials > recipe.evaluation.trials_in_memory:
        print(f"{name}: windows are not scored, since it is longer than evaluation.trials_in_memory", flush=True)
        return None
    decided, models = read_scores(table, columns=["enroll", "test"]), scored.models[name]
    wanted = named_utterances({name: TrialList(decided.columns, models, {})})
    if decided.no_speakers or len(wanted) > MOST_UTTERANCES:
        why = decided.no_speakers or f"it names {len(wanted):,} utterances, more than {MOST_UTTERANCES:,}"
        print(f"{name}: windows are not scored, since {why.removeprefix('no interval: ')}", flush=True)
        return None
    assert verifier.calibration is not None, "what is explained was calibrated"
    embedder = StoreEmbedder(scored.checkpoint, scored.utterances, scored.folder, recipe.compute, WINDOW_S)
    embedded = embedder.embed(wanted, label=f"embed windows of {name}")
    measures, mean = verifier.calibration.measures, recipe.enrolment_mean
    make_vectors = TrialVectorMaker(verifier.backend, measures, mean, scored.folder, recipe.compute)
    vectors = make_vectors.gather(embedded, read_index(scored.utterances), models)
    enroll = vectors.enrolment_numbers(decided.columns["enroll"])
    scores, features = score_pairs(verifier.backend, vectors, enroll, vectors.test_rows(decided.columns["test"]))
    llr = verifier.calibration.uncapped_llr(scores.get("score_norm", scores["score"]), features)
    return windows_error(decided.trials, llr, recipe.evaluation.resampling)
