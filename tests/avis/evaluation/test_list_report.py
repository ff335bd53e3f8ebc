"""What is gathered for a page: worst trials with their ids, plots, and what the manifest says of the list."""

from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from avis import store
from avis.evaluation.list_report import list_report
from avis.evaluation.score_table import ScoreTable, read_scores
from avis.metrics.bootstrap import Resampling, speaker_intervals
from avis.metrics.figures import FigureSet
from avis.metrics.list_metrics import ListMetrics
from avis.metrics.out_of_core import count_long_list
from avis.metrics.summary import summarize
from avis.metrics.trials import Trials
from avis.reports.html import PICTURES, PNG_SIGNATURE
from avis.reports.worst_trials import Trial

DRAWS = Resampling(num_draws=10, confidence=0.9, seed=0)
TABLE = pa.table(
    {
        "enroll": ["a1", "a1", "b1", "b1"],
        "test": ["a2", "b1", "b2", "a2"],
        "target": [True, False, True, False],
        "enroll_speaker": ["a", "a", "b", "b"],
        "test_speaker": ["a", "b", "b", "a"],
        "score": pa.array([0.9, 0.1, 0.2, 0.4], pa.float32()),
        "llr": pa.array([3.0, -3.0, -1.0, 0.5], pa.float32()),
    }
)
KNOWN = {"name": "VoxCeleb1-O (cleaned)", "certainty": "checksum", "md5": "b73110731c9223c1461fe49cb48dddfc"}


def as_store(folder: Path, table: pa.Table, facts: dict) -> ScoreTable:
    for part, start in (("part-00000", 0), ("part-00001", 3)):
        store.commit_part(str(folder), part, {"scores": table.slice(start, 3 - start or 1)}, row_group_rows=10)
    store.finish(str(folder), parts=[], inputs="abc", facts=facts)
    return ScoreTable(str(folder))


def metrics_of(scores: ScoreTable) -> tuple[Trials, ListMetrics]:
    trials = read_scores(scores).trials
    intervals = None
    if trials.enroll_speaker is not None:
        intervals = speaker_intervals(trials, DRAWS, figure_set=FigureSet())
    return trials, ListMetrics(summary=summarize(*trials[:3]), intervals=intervals)


def test_a_full_table_gives_all_there_is(tmp_path: Path):
    facts = {"list": KNOWN, "flagged": {"duplicates": 2, "self_trials": 0}, "warnings": ["beware"]}
    facts["cohort"] = "40 training speakers"
    scores = as_store(tmp_path / "s", TABLE, facts)
    report = list_report("vox1_o", scores, *metrics_of(scores), DRAWS)
    assert set(report.pictures) == set(PICTURES)
    assert all(picture.startswith(PNG_SIGNATURE) for picture in report.pictures.values())
    assert report.false_accepts[0] == Trial(4, "b1", "a2", "b", "a", 0.5)
    assert report.false_rejects[0] == Trial(3, "b1", "b2", "b", "b", -1.0)
    assert report.flagged == {"duplicates": 2, "self_trials": 0}
    assert report.warnings == ["beware"]
    assert report.facts["Published list"] == "VoxCeleb1-O (cleaned) (the published list itself)"
    assert report.facts["MD5 of the list"] == KNOWN["md5"]
    assert report.facts["Cohort of the score normalisation"] == "40 training speakers"
    assert report.facts["Speakers"] == "2"
    assert report.facts["Scores"] == str(tmp_path / "s")


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("known", "fact"),
    [
        ({"name": None, "certainty": None, "md5": "00"}, ("Published list", "none that AVIS knows")),
        ({"name": None, "certainty": None, "pairing": {"seed": 3}}, ("Made by", "seed=3")),
        (
            {**KNOWN, "certainty": "counts"},
            ("Published list", f"{KNOWN['name']} (as many trials as the published list)"),
        ),
    ],
)
def test_the_manifest_says_what_the_list_is(tmp_path: Path, known: dict, fact: tuple[str, str]):
    scores = as_store(tmp_path / "s", TABLE, {"list": known})
    assert fact in list_report("x", scores, *metrics_of(scores), None).facts.items()


def test_scores_and_answers_alone_will_do(tmp_path: Path):
    path = tmp_path / "scores.txt"
    path.write_text("1 0.9\n0 0.1\n")
    scores = ScoreTable(str(path))
    report = list_report("plain", scores, *metrics_of(scores), None)
    assert set(report.pictures) == {"det", "histogram"}
    assert report.false_accepts == [Trial(2, None, None, None, None, 0.1)]
    assert report.facts == {"Scores": str(path)}


@pytest.mark.slow
def test_a_list_longer_than_memory_has_the_same_plots_and_worst_trials(tmp_path: Path):
    scores = as_store(tmp_path / "s", TABLE, {})
    trials, metrics = metrics_of(scores)
    chunks = partial(scores.chunks, "llr")
    long = count_long_list(chunks, chunks, figure_set=FigureSet(), trials_in_memory=2)
    report, short = (list_report("x", scores, each, metrics, None) for each in (long, trials))
    assert report == short
    assert set(report.pictures) == set(PICTURES)
    assert [trial.enroll for trial in report.false_accepts] == ["b1", "a1"]
