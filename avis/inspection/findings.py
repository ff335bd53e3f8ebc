"""Inspect an utterances store: what is in it, what is odd about it, and what leaks from one part into another."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import avis
from avis import location, store
from avis.inspection.columns import LIGHT, light
from avis.inspection.distributions import group, groups, histograms
from avis.inspection.leakage import PlacedList, duplicates, easy_trials, shared
from avis.inspection.suspects import Rules, suspicious_speakers, suspicious_utterances
from avis.reports.inspection import inspection_page
from avis.reports.inspection_warnings import counted, warnings
from avis.scoring.enrolment import expand, read_enrolments
from avis.scoring.trial_ids import resolve
from avis.scoring.trials import read_trials

PAGE, FINDINGS = "inspect.html", "inspect.json"


def inspect_store(
    uri: str, out: str, *, rules: Rules, trials: Mapping[str, str], enrolments: str | None = None
) -> dict[str, Any]:
    """Inspect a finished store and write ``inspect.json`` and ``inspect.html``; audio is not read.

    Parameters
    ----------
    uri : str
        Where the store is.
    out : str
        Folder of what is written.
    rules : Rules
        What is called suspicious.
    trials : mapping of str to str
        Name and path of trial lists that nothing of the training splits may be in.
    enrolments : str, optional
        Path of the enrolment models that the lists name.

    Returns
    -------
    dict
        As in ``inspect.json``: ``store``, ``warnings`` and what `findings` returns.

    Raises
    ------
    ValueError
        If the store is unfinished or without utterances, or a list cannot be read or names an id of several corpora.
    """
    manifest = store.open_manifest(uri)
    utterances = store.read_table(uri, "utterances", columns=LIGHT)
    if not len(utterances):
        raise ValueError(
            f"nothing to inspect: got 0 utterances and {manifest['rows'].get('rejects', 0)} rejects, expected some "
            f"utterances. At {uri}. Look into its rejects."
        )
    models = None if enrolments is None else read_enrolments(enrolments)
    lists = {name: _placed(read_trials(path), utterances, models) for name, path in trials.items()}
    found = findings(utterances, store.read_table(uri, "rejects"), lists, rules=rules)
    facts = {"store": uri, **{f"trials {name}": path for name, path in trials.items()}, "AVIS": avis.__version__}
    facts |= {f"sharding {key}": str(value) for key, value in manifest.get("sharding", {}).items()}
    result = {"store": uri, "warnings": warnings(found), **found}
    store.write_json(location.join(out, FINDINGS), result)
    store.write_bytes(location.join(out, PAGE), inspection_page(result, facts=facts).encode())
    return result


def findings(
    utterances: pa.Table, rejects: pa.Table, lists: Mapping[str, PlacedList], *, rules: Rules
) -> dict[str, Any]:
    """Return all that is found, as plain data.

    Parameters
    ----------
    utterances
        Columns `avis.inspection.columns.LIGHT`.
    rejects
        In schema `avis.schema.REJECTS`.
    lists
        Trial lists by name.
    rules
        What is called suspicious.

    Returns
    -------
    dict
        ``total`` (the statistics of a group, of all) and ``groups`` (see `avis.inspection.distributions.groups`),
        ``distributions`` (`avis.inspection.distributions.histograms`), ``rejects`` (`rejects_by_reason`),
        ``duplicates``, ``shared`` and ``trials`` (`avis.inspection.leakage`), ``suspicious_utterances`` and
        ``suspicious_speakers`` (`avis.inspection.suspects`).
    """
    data = light(utterances)
    return {
        "total": group(data, np.ones(len(utterances), dtype=bool)),
        "groups": groups(data),
        "distributions": histograms(data),
        "rejects": rejects_by_reason(rejects, num_examples=rules.num_examples),
        "duplicates": duplicates(data, num_examples=rules.num_examples),
        "shared": shared(data, lists, num_examples=rules.num_examples),
        "trials": {name: easy_trials(data, placed) for name, placed in lists.items()},
        "suspicious_utterances": suspicious_utterances(data, rules),
        "suspicious_speakers": suspicious_speakers(data, rules),
    }


def rejects_by_reason(rejects: pa.Table, *, num_examples: int) -> list[dict[str, Any]]:
    """Return for each ``reason``, the commonest first, the ``num`` and the ``path`` and ``detail`` of some examples."""
    counted = rejects["reason"].value_counts().to_pylist()
    return [
        {
            "reason": row["values"],
            "num": row["counts"],
            "examples": rejects.filter(pc.equal(rejects["reason"], row["values"]))
            .slice(0, num_examples)
            .select(["path", "detail"])
            .to_pylist(),
        }
        for row in sorted(counted, key=lambda row: (-row["counts"], row["values"]))
    ]


def _placed(trials: pa.Table, utterances: pa.Table, models: pa.Table | None) -> PlacedList:
    """Tie a list to a store; a trial of an enrolment model counts as the trials of its utterances."""
    if models is None:
        pairs = trials
    else:
        member, trial = expand(trials, models)
        pairs = trials.take(trial).set_column(0, "enroll", models["utt_id"].take(pa.array(member)))
    corpora = sorted(utterances["corpus"].unique().to_pylist())
    found, rows = resolve(pairs, utterances["utt_id"], corpora=corpora, leave_out_missing=True)
    return PlacedList(rows, found["target"], len(pairs) - len(found))


def show(result: Mapping[str, Any]) -> None:
    """Print how much there is, and the warnings."""
    total = result["total"]
    print(
        f"{total['hours']:,.1f} hours, {counted(total['utterances'], 'utterance')}, "
        f"{counted(total['speakers'], 'speaker')}, {counted(total['sessions'], 'session')}"
    )
    for warning in result["warnings"]:
        print(f"warning: {warning}")
