"""Get the configured trial lists ready for scoring: read or made, recognised, checked, in the ids of a store."""

import hashlib
import os
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import pyarrow as pa
from hydra.utils import instantiate

from avis import location, store
from avis.scoring.known_lists import recognise
from avis.scoring.pairing import Pairing
from avis.scoring.trial_checks import TrialChecks
from avis.scoring.trials import read_trials

LIGHT = ["utt_id", "speaker", "session", "corpus", "split", "attributes"]


class TrialList(NamedTuple):
    """A list in the ids of a store, and what goes into the manifest of its scores.

    ``facts["list"]`` has the ``name`` of the published list that it is and with what ``certainty`` (see
    `avis.scoring.known_lists.Recognition`), and the ``md5`` of its file or the ``pairing`` that made it;
    ``facts["flagged"]`` what the checks counted (see `avis.scoring.trial_checks.TrialChecks.apply`).
    """

    trials: pa.Table
    facts: dict[str, Any]


def read_index(utterances: str) -> pa.Table:
    """Return the columns of a store that trials are made and checked by."""
    return store.read_table(utterances, "utterances", columns=LIGHT)


def read_lists(cfg: Mapping[str, Any], index: pa.Table, *, trained: Collection[str]) -> dict[str, TrialList]:
    """Return the configured lists by their names.

    Parameters
    ----------
    cfg : mapping
        With ``trials``: a path, a mapping of names to paths and `avis.scoring.pairing.Pairing`, or None for the lists
        of the corpora; ``trial_checks``; ``corpus``.
    index : pyarrow.Table
        See `read_index`.
    trained : collection of str
        Speakers that the model was trained on, or will be.

    Raises
    ------
    ValueError
        If there is no list, one cannot be read or made, or does not pass the checks.
    """
    checks: TrialChecks = instantiate(cfg["trial_checks"])
    lists = {}
    for name, source in _sources(cfg).items():
        given, facts = _from_pairing(source, index) if isinstance(source, Mapping) else _from_file(str(source))
        trials, flagged = checks.apply(given, index, trained=trained)
        lists[name] = TrialList(trials, {"list": facts, "flagged": flagged})
    return lists


def named_utterances(lists: Mapping[str, TrialList]) -> pa.Array:
    """Return the ids of the utterances in any of the lists, each once."""
    sides = [trials[side] for trials, _ in lists.values() for side in ("enroll", "test")]
    return pa.chunked_array([chunk for side in sides for chunk in side.chunks]).unique()


def _sources(cfg: Mapping[str, Any]) -> dict[str, Any]:
    trials = cfg["trials"]
    if trials is None:
        corpora = [instantiate(corpus) for corpus in cfg["corpus"]["sources"].values()]
        trials = {corpus.name: corpus.trials_path for corpus in corpora if hasattr(corpus, "trials_path")}
        if not trials:
            raise ValueError(
                f"no trial list: got trials=null, expected a list, since {', '.join(c.name for c in corpora)} has none "
                "of its own. At trials. Give trials=<path> or trials={<name>: <path>}, or let pairing=cross_session "
                "make one."
            )
    if isinstance(trials, str):
        trials = {os.path.splitext(os.path.basename(trials))[0]: trials}
    return dict(trials)


def _from_file(path: str) -> tuple[pa.Table, dict[str, Any]]:
    path = location.absolute(path)
    trials = read_trials(path)
    md5 = hashlib.md5(location.read_bytes(path), usedforsecurity=False).hexdigest()
    return trials, {**recognise(trials, md5=md5)._asdict(), "md5": md5}


def _from_pairing(node: Mapping[str, Any], index: pa.Table) -> tuple[pa.Table, dict[str, Any]]:
    pairing: Pairing = instantiate(node)
    return pairing.pairs(index), {"name": None, "certainty": None, "pairing": dict(node)}
