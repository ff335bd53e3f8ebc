"""Identification figures of a list, against hand-computed ones, or a note why there are none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from avis.evaluation.evaluate import Evaluated, evaluate, show
from avis.evaluation.identification import Identification
from avis.evaluation.settings import Evaluation
from avis.metrics.identification import OpenSetRate

IDENTIFICATION = Identification(ranks=[1, 2], false_alarm_rates=[0.0, 0.5])
GALLERY = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}
PROBES = {"p1": "a", "p2": "b", "p3": "b", "p4": "c", "x": "x", "y": "y"}
MATRIX = [
    [0.1, 0.9, 0.3, 0.2],  # a, by the better of two enrolments
    [0.0, 0.1, 0.6, 0.5],  # b
    [0.7, 0.0, 0.6, 0.1],  # b, second to a
    [0.8, 0.0, 0.7, 0.3],  # c, third
    [0.4, 0.2, 0.1, 0.0],  # a stranger
    [0.0, 0.0, 0.0, 0.65],  # a stranger
]


def full(gallery: dict[str, str] = GALLERY, probes: dict[str, str] = PROBES) -> list[dict[str, Any]]:
    rows = [
        {
            "enroll": enroll,
            "test": test,
            "target": gallery[enroll] == probes[test],
            "enroll_speaker": gallery[enroll],
            "test_speaker": probes[test],
            "score": MATRIX[list(PROBES).index(test)][list(GALLERY).index(enroll)],
        }
        for test in probes
        for enroll in gallery
    ]
    return [rows[row] for row in np.random.default_rng(0).permutation(len(rows))]


@pytest.fixture
def identified(
    tmp_path: Path, written: Callable[..., str], evaluation: Callable[..., Evaluation]
) -> Callable[..., Evaluated]:
    """Evaluate rows of trials as the list ``x``."""

    def run(rows: list[dict[str, Any]], **changes: Any) -> Evaluated:
        settings = evaluation(**{"bootstrap_draws": 0, "identification": IDENTIFICATION, **changes})
        uri = written("x", pa.Table.from_pylist(rows))
        return evaluate({"x": uri}, str(tmp_path / "out"), facts={}, evaluation=settings)

    return run


def test_figures_are_those_of_the_matrix_whatever_the_order_of_trials(
    tmp_path: Path, identified: Callable[..., Evaluated], capsys: pytest.CaptureFixture[str]
):
    result = identified(full())
    found = result.metrics["x"].identification
    assert (found.num_probes, found.num_strangers, found.num_enrolments, found.num_speakers) == (6, 2, 4, 3)
    assert found.closed_set == {1: 0.5, 2: 0.75}
    # No stranger passes above 0.65: of p1 and p2, who are named first, p1 alone. One stranger passes above 0.4: both.
    assert found.open_set[0.0] == OpenSetRate(0.25, false_alarm_rate=0.0, threshold=np.nextafter(0.65, 1.0))
    assert found.open_set[0.5] == OpenSetRate(0.5, false_alarm_rate=0.5, threshold=np.nextafter(0.4, 1.0))
    stated = json.loads((tmp_path / "out" / "metrics.json").read_text())["x"]["identification"]
    assert stated["closed_set"] == {"1": 0.5, "2": 0.75}
    assert stated["open_set"]["0.5"] == {"rate": 0.5, "false_alarm_rate": 0.5, "threshold": np.nextafter(0.4, 1.0)}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<h3>Identification</h3>" in page
    assert "6 probes, 2 of them by speakers who are not enrolled, against 4 enrolments of 3 speakers" in page
    for words in ("Closed set, rank 2", "Open set, false alarms 50", "75.00"):
        assert words in page
    show(result)
    assert "x: identified 50.00% at rank 1, 75.00% at rank 2 among 3 speakers" in capsys.readouterr().out


def test_without_strangers_there_is_a_closed_set_alone(identified: Callable[..., Evaluated]):
    rows = full(probes={name: of for name, of in PROBES.items() if name not in "xy"})
    found = identified(rows).metrics["x"].identification
    assert (found.closed_set[1], found.num_strangers, found.open_set) == (0.5, 0, {})


def without(rows: list[dict[str, Any]], *columns: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in columns} for row in rows]


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("rows", "changes", "note"),
    [
        (full()[1:], {}, "not every probe is tried once against every enrolment (23 trials of 6 probes and 4"),
        ([*full()[1:], full()[1]], {}, "not every probe is tried once against every enrolment (24 trials of 6"),
        (without(full(), "enroll"), {}, "the scores do not say which trial is which"),
        (without(full(), "test_speaker"), {}, "the scores do not say who speaks"),
        (full(), {"trials_in_memory": 20}, "the list is longer than evaluation.trials_in_memory"),
    ],
)
def test_a_list_that_does_not_permit_it_has_a_note(
    rows: list[dict[str, Any]],
    changes: dict[str, Any],
    note: str,
    identified: Callable[..., Evaluated],
    capsys: pytest.CaptureFixture[str],
):
    result = identified(rows, **changes)
    found = result.metrics["x"]
    assert found.identification is None
    assert found.identification_note.startswith(f"no identification: {note}")
    assert f"Not stated: {note}" in Path(result.report_path).read_text()
    show(result)
    assert f"x: no identification: {note}" in capsys.readouterr().out


def test_an_enrolment_of_two_speakers_has_a_note(identified: Callable[..., Evaluated]):
    rows = full()
    wrong = next(row for row in rows if not row["target"] and row["enroll"] == "c1" and row["test_speaker"] == "x")
    wrong["enroll_speaker"] = "d"
    assert "several speakers" in identified(rows).metrics["x"].identification_note


def test_nothing_is_stated_unless_asked_for(identified: Callable[..., Evaluated]):
    none = Identification(ranks=[], false_alarm_rates=[0.01])
    result = identified(full(), identification=none)
    assert '"identification' not in Path(result.metrics_path).read_text()
    assert result.metrics["x"].identification_note is None


@pytest.mark.parametrize("values", [{"ranks": [0]}, {"false_alarm_rates": [1.5]}])
def test_values_out_of_range_are_refused(values: dict[str, Any]):
    with pytest.raises(ValueError, match="identification out of range"):
        Identification(**{"ranks": [1], "false_alarm_rates": [0.1], **values})
