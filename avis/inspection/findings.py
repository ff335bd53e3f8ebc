"""Inspect an utterances store: what is in it, what is odd about it, and what leaks from one part into another."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import avis
from avis import location, store
from avis.inspection.columns import INSPECTED, StoreColumns
from avis.inspection.distributions import amounts, groups, histograms
from avis.inspection.leakage import PlacedList, count_trials, duplicates, overlaps
from avis.inspection.suspects import Rules, suspicious_speakers, suspicious_utterances
from avis.reports.inspection import inspection_page
from avis.reports.inspection_warnings import counted, warnings
from avis.reports.store_findings import Findings, RejectedInput, Rejects
from avis.scoring.enrolment import expand, read_enrolments
from avis.scoring.trial_ids import resolve
from avis.scoring.trials import read_trials

PAGE, JSON = "inspect.html", "inspect.json"


def inspect_store(
    uri: str, out: str, *, rules: Rules, trials: Mapping[str, str], enrolments: str | None = None
) -> Findings:
    """Inspect a finished store and write ``inspect.json`` and ``inspect.html``; audio is not read.

    Parameters
    ----------
    uri : str
        Where the store is.
    out : str
        Folder for the two files.
    rules : Rules
        Rules by which utterances and speakers are called suspicious.
    trials : mapping of str to str
        Name and path of trial lists that nothing of the training splits may be in.
    enrolments : str, optional
        Path of the enrolment models that the lists name.

    Raises
    ------
    ValueError
        If the store is unfinished or without utterances, or a list cannot be read or names an id of several corpora.
    """
    manifest = store.open_manifest(uri)
    utterances = store.read_table(uri, "utterances", columns=INSPECTED)
    if not len(utterances):
        raise ValueError(
            f"nothing to inspect: got 0 utterances and {manifest['rows'].get('rejects', 0)} rejects, expected some "
            f"utterances. At {uri}. Look into its rejects."
        )
    models = None if enrolments is None else read_enrolments(enrolments)
    lists = {name: _placed(read_trials(path), utterances, models) for name, path in trials.items()}
    findings = find(utterances, store.read_table(uri, "rejects"), lists, rules=rules)
    facts = {"store": uri, **{f"trials {name}": path for name, path in trials.items()}, "AVIS": avis.__version__}
    facts |= {f"sharding {key}": str(value) for key, value in manifest.get("sharding", {}).items()}
    result = {"store": uri, "warnings": warnings(findings), **findings.plain()}
    store.write_json(location.join(out, JSON), result)
    store.write_bytes(location.join(out, PAGE), inspection_page(findings, facts=facts).encode())
    return findings


def find(utterances: pa.Table, rejects: pa.Table, lists: Mapping[str, PlacedList], *, rules: Rules) -> Findings:
    """Return all findings.

    Parameters
    ----------
    utterances : pyarrow.Table
        Columns `avis.inspection.columns.INSPECTED` of a store.
    rejects : pyarrow.Table
        Rejects of the store, in schema `avis.schema.REJECTS`.
    lists : mapping of str to PlacedList
        Trial lists by name.
    rules : Rules
        Rules by which utterances and speakers are called suspicious.
    """
    data = StoreColumns.from_table(utterances)
    return Findings(
        total=amounts(data, np.ones(len(utterances), dtype=bool)),
        groups=groups(data),
        distributions=histograms(data),
        rejects=rejects_by_reason(rejects, num_examples=rules.num_examples),
        duplicates=duplicates(data, num_examples=rules.num_examples),
        shared=overlaps(data, lists, num_examples=rules.num_examples),
        trials={name: count_trials(data, placed) for name, placed in lists.items()},
        suspicious_utterances=suspicious_utterances(data, rules),
        suspicious_speakers=suspicious_speakers(data, rules),
    )


def rejects_by_reason(rejects: pa.Table, *, num_examples: int) -> list[Rejects]:
    """Count the rejects of each reason, the commonest first."""
    reasons = sorted(rejects["reason"].value_counts().to_pylist(), key=lambda row: (-row["counts"], row["values"]))
    result = []
    for reason, num in ((row["values"], row["counts"]) for row in reasons):
        examples = rejects.filter(pc.equal(rejects["reason"], reason)).slice(0, num_examples)
        inputs = [RejectedInput(**row) for row in examples.select(["path", "detail"]).to_pylist()]
        result.append(Rejects(reason, num, inputs))
    return result


def _placed(trials: pa.Table, utterances: pa.Table, models: pa.Table | None) -> PlacedList:
    """Tie a list to a store; a trial of an enrolment model counts as the trials of its utterances."""
    if models is None:
        pairs = trials
    else:
        member, trial = expand(trials, models)
        pairs = trials.take(trial).set_column(0, "enroll", models["utt_id"].take(pa.array(member)))
    corpora = sorted(utterances["corpus"].unique().to_pylist())
    placed, rows = resolve(pairs, utterances["utt_id"], corpora=corpora, leave_out_missing=True)
    return PlacedList(rows, placed["target"], len(pairs) - len(placed))


def show(findings: Findings) -> None:
    """Print how much there is, and the warnings."""
    total = findings.total
    print(
        f"{total.hours:,.1f} hours, {counted(total.utterances, 'utterance')}, "
        f"{counted(total.speakers, 'speaker')}, {counted(total.sessions, 'session')}"
    )
    for warning in warnings(findings):
        print(f"warning: {warning}")
