"""Give scores the answers of the trial list that they are of, since evaluations and Kaldi keep the two apart."""

import hashlib

import pyarrow as pa
import pyarrow.compute as pc

from avis import location, store
from avis.evaluation.matching import PAIR, matching_rows
from avis.evaluation.score_table import CALIBRATION, FUSION, ORIGIN, ScoreTable
from avis.evaluation.written_scores import write_scores
from avis.schema import SCORES, TRIALS
from avis.scoring.known_lists import recognise
from avis.scoring.trials import read_trials

KEPT = (CALIBRATION, FUSION, "cohort", "flagged", "warnings")
"""What a scores table says of itself that stays true of it with answers."""


def join_answers(scores: str, trials: str, place: str) -> str:
    """Write scores with the answers and conditions of their trial list, unless they are there, and return where.

    Parameters
    ----------
    scores : str
        See `avis.evaluation.score_table.ScoreTable`; they name both sides of each trial.
    trials : str
        The list, see `avis.scoring.trials.read_trials`, in any order.
    place : str
        Where the scores table is written, but for the digest that ends its name.

    Raises
    ------
    ValueError
        If they are not the same trials, or have other answers, or the list has none.
    """
    scored, listed = ScoreTable(scores), read_trials(trials)
    scored.require(PAIR)
    table = scored.table(scored.columns, answered=False)
    listed = listed.take(pa.array(matching_rows(table, listed, trials, whose="the trial list")))
    if listed["target"].null_count:
        raise ValueError(
            f"answers unknown: got {listed['target'].null_count} trials without an answer, expected the list that has "
            f"them. At {trials}. Correct trials=<list>."
        )
    if differing := pc.sum(pc.xor(table["target"].cast(pa.bool_()), listed["target"])).as_py():
        raise ValueError(
            f"other answers in the trial list: got {differing} of {len(table)} trials that are target in the one and "
            f"non-target in the other, expected none. At {trials}. Give the list that was scored."
        )
    own = [name for name in table.column_names if name not in TRIALS.names]
    joined = listed.select(
        [name for name in listed.column_names if name not in {*own, *SCORES.names} - {*TRIALS.names}]
    )
    for name in own:
        joined = joined.append_column(table.schema.field(name), table[name])
    manifest = store.open_manifest(scores) if location.is_folder(scores) else {}
    facts = {key: manifest[key] for key in KEPT if key in manifest}
    facts[ORIGIN] = manifest.get(ORIGIN, {}) | {"scores": scores, "trials": trials}
    return write_scores(joined, place, facts | _known(listed, trials))


def _known(listed: pa.Table, path: str) -> dict[str, dict[str, str | None]]:
    """Return whether the file is a published list; to have as many trials does not tell how its models were scored."""
    md5 = hashlib.md5(location.read_bytes(path), usedforsecurity=False).hexdigest()
    name, certainty = recognise(listed, md5=md5)
    published = certainty == "checksum"
    return {"list": {"name": name if published else None, "certainty": certainty if published else None, "md5": md5}}
