"""Write a page for each explained trial of a list, and one that leads to them, with what is said of the whole list."""

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from avis import location, store
from avis.digest import fingerprint
from avis.engine.corpus_level import corpus_level
from avis.engine.explain import OTHER_SCORE, Explaining, tasks_of
from avis.engine.scored import Scored
from avis.engine.trials.pages import PAGES, PageMaker
from avis.engine.workers.parts import run_parts
from avis.evaluation.explained import SCORES, table_name
from avis.evaluation.score_table import ScoreTable
from avis.explain.corpus.summary import Corpus, as_facts, as_json
from avis.explain.faithfulness.windows_scorer import WindowsError, as_words
from avis.explain.page.index import IndexRow, index_page
from avis.run_folder import EXPLANATIONS, INDEX_PAGE

SUMMARY = "summary.json"
REASONS_SHOWN = 3


def write_pages(
    name: str,
    rows: Sequence[int],
    records: str,
    scored: Scored,
    explaining: Explaining,
    *,
    windows_error: WindowsError | None,
) -> str:
    """Write the pages of a list's explained trials where they are not there, and an index; return its path.

    Parameters
    ----------
    name : str
        Of the list.
    rows : sequence of int
        Of the scores table, from 0, in the order in which the index has them.
    records : str
        Store of the explanations; see `avis.engine.explain.explain_list`.
    scored : Scored
    explaining : Explaining
    windows_error : WindowsError or None
        Of the list; see `avis.engine.windows_error.windows_error_of`.

    Raises
    ------
    ValueError
        If pages that were written are gone, or no trial could be explained.
    """
    told = store.open_manifest(records)
    _say_unexplained(name, records)
    errs = windows_error.model_dump() if windows_error else None
    inputs = fingerprint([told["inputs"], explaining.preset, PAGES.names, errs])
    folder = location.join(scored.evaluated, EXPLANATIONS, f"{name}-{inputs}")
    if not store.finished(folder, inputs):
        tasks = _with_records(tasks_of(name, sorted(rows), scored), records)
        make = functools.partial(PageMaker, folder, explaining.preset, windows_error)
        run_parts(folder, tasks, make, compute=scored.recipe.compute, label=f"pages of {name}")
        facts = {SCORES: table_name(scored.scores[name]), "records": records, "preset": explaining.preset}
        store.finish(folder, parts=tasks, inputs=inputs, facts=facts)
    _check_there(folder)
    corpus = _corpus(name, rows, records, scored)
    facts = _facts(name, rows, records, scored)
    if windows_error:
        facts["Scorer of windows"] = as_words(windows_error)
    in_words = as_facts(corpus, decides=explaining.preset != "examiner") if corpus else {}
    store.write_json(location.join(folder, SUMMARY), {"facts": facts, **(as_json(corpus) if corpus else {})})
    page = index_page(
        _index_rows(rows, records, folder),
        title=f"Trials of {name}",
        facts={**facts, **in_words},
        preset=explaining.preset,
    )
    index = location.join(folder, INDEX_PAGE)
    store.write_bytes(index, page.encode())
    return index


def _with_records(tasks: dict[str, pa.Table], records: str) -> dict[str, pa.Table]:
    files = {store.part_of(file): file for file in store.open_manifest(records)["files"] if file.startswith("expl")}
    return {
        part: task.append_column("records", pa.array([location.join(records, files[part])] * len(task)))
        for part, task in tasks.items()
    }


def _say_unexplained(name: str, records: str) -> None:
    """Print how many trials could not be explained, and why; refuse a list of none that could."""
    failed = store.read_table(records, "unexplained")
    if not len(failed):
        return
    num, reasons = store.open_manifest(records)["rows"]["explanations"], Counter(failed["reason"].to_pylist())
    why = "; ".join(f"{count}: {reason}" for reason, count in reasons.most_common(REASONS_SHOWN))
    if not num:
        raise ValueError(
            f"nothing explained: got {len(failed)} trials that could not be, expected one that can. At trials {name}. "
            f"{why}"
        )
    print(f"warning: {name}: {len(failed)} of {len(failed) + num} trials could not be explained: {why}", flush=True)


def _check_there(folder: str) -> None:
    there, pages = {*location.names_in(folder)}, store.read_table(folder, "pages")["page"].to_pylist()
    if gone := [page for page in pages if page not in there]:
        raise ValueError(
            f"pages are gone: got {len(pages) - len(gone)} of {len(pages)}, expected all. At {folder}, {gone[0]} for "
            "one. Delete the folder, and run the same command again."
        )


def _corpus(name: str, rows: Sequence[int], records: str, scored: Scored) -> Corpus | None:
    if name not in scored.answered:
        return None
    return corpus_level(
        scored.scores[name],
        records,
        scored.utterances,
        models=scored.models[name],
        all_explained=len(rows) == ScoreTable(scored.scores[name]).num_trials,
        most_trials=scored.recipe.evaluation.trials_in_memory,
    )


def _facts(name: str, rows: Sequence[int], records: str, scored: Scored) -> dict[str, str]:
    """Say what was explained, and how far the explanations' scores are from the scores table's."""
    manifest, num_trials = store.open_manifest(records), ScoreTable(scored.scores[name]).num_trials
    facts = {
        "Explained": f"{manifest['rows']['explanations']:,} of {num_trials:,} trials",
        "Could not be explained": f"{manifest['rows']['unexplained']:,}",
        "Chosen": "all" if len(rows) == num_trials else "non-targets that score highest, targets that score lowest",
        "Changes tried": "yes" if manifest["checks"] else "no, only what is exact",
        "Verifier": manifest["verifier"],
        "Records": records,
        "Scores": scored.scores[name],
    }
    both = store.read_table(records, "explanations", columns=["score", "score_again"]).to_pylist()
    apart = max((abs(row["score"] - row["score_again"]) for row in both if row["score_again"] is not None), default=0.0)
    if apart > OTHER_SCORE:
        facts["Caution"] = f"scores differ from those of the scores table by up to {apart:.3g}"
        print(f"warning: {name}: {facts['Caution']}", flush=True)
    return facts


def _index_rows(rows: Sequence[int], records: str, folder: str) -> list[IndexRow]:
    columns = ["enroll", "test", "target", "outcome", "evidence", "evidence_low", "evidence_high", "num_warnings"]
    told = {
        row["number"]: row
        for row in store.read_table(records, "explanations", columns=["number", *columns]).to_pylist()
    }
    pages = {row["number"]: row for row in store.read_table(folder, "pages").to_pylist()}
    return [_index_row(told[row + 1], pages[row + 1]) for row in rows if row + 1 in pages]


def _index_row(trial: dict[str, Any], page: dict[str, Any]) -> IndexRow:
    low, high = trial["evidence_low"], trial["evidence_high"]
    return IndexRow(
        **{key: trial[key] for key in ("enroll", "test", "target", "outcome", "num_warnings")},
        llr=trial["evidence"],
        llr_interval=None if low is None else (low, high),
        **{key: page[key] for key in ("verbal", "reason", "page")},
    )
