"""Trial lists for identification: every probe against every enrolment, sessions apart."""

from collections import defaultdict
from typing import Any

import pyarrow as pa
import pytest

from avis.schema import TRIALS, UTTERANCES
from avis.scoring.gallery import Gallery

ALL: dict[str, Any] = {
    "split": "test",
    "enrolments_per_speaker": 1,
    "strangers": 0.4,
    "max_probes": 10**6,
    "seed": 0,
}
SHAPE = {"a": [3, 2], "b": [4], "c": [1, 1, 2], "d": [2, 1], "e": [1, 3]}


def utterances(*, turned: bool = False, shape: dict[str, list[int]] = SHAPE) -> pa.Table:
    rows = [
        {"utt_id": f"{speaker}/{session}/{take}", "speaker": speaker, "session": f"{speaker}/{session}", "split": split}
        for split, speakers in (("test", shape), ("train", {"z": [2, 2]}))
        for speaker, sessions in speakers.items()
        for session, takes in enumerate(sessions)
        for take in range(takes)
    ]
    names = ("utt_id", "speaker", "session", "split")
    return pa.Table.from_pylist(rows[::-1] if turned else rows, schema=pa.schema([UTTERANCES.field(n) for n in names]))


def speaker(utt_id: str) -> str:
    return utt_id.split("/")[0]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("per_speaker", [1, 2])
def test_every_probe_meets_every_enrolment_of_one_session_of_each_speaker(seed: int, per_speaker: int) -> None:
    made = Gallery(**ALL | {"seed": seed, "enrolments_per_speaker": per_speaker}).pairs(utterances())
    assert made.schema == TRIALS
    pairs = list(zip(made["enroll"].to_pylist(), made["test"].to_pylist(), strict=True))
    gallery, probes = {one for one, _ in pairs}, {other for _, other in pairs}
    assert len(pairs) == len(set(pairs)) == len(gallery) * len(probes)
    assert made["target"].to_pylist() == [speaker(one) == speaker(other) for one, other in pairs]
    sessions, enrolled = defaultdict(set), defaultdict(list)
    for utt_id in sorted(gallery):
        sessions[speaker(utt_id)].add(utt_id.rsplit("/", 1)[0])
        enrolled[speaker(utt_id)].append(utt_id)
    assert len(enrolled) == 3, "two of five are strangers"
    assert all(len(of_one) == 1 for of_one in sessions.values())
    for name, [session] in sessions.items():
        takes = SHAPE[name][int(session.split("/")[1])]
        assert len(enrolled[name]) == min(per_speaker, takes)
    every = {row["utt_id"] for row in utterances().to_pylist() if row["split"] == "test"}
    assert probes == {u for u in every if u.rsplit("/", 1)[0] not in {s for of in sessions.values() for s in of}}


def test_the_seed_decides_and_the_order_of_rows_does_not() -> None:
    lists = [Gallery(**ALL | {"seed": seed}).pairs(utterances()) for seed in range(8)]
    assert len({str(made.to_pydict()) for made in lists}) > 4
    assert Gallery(**ALL).pairs(utterances(turned=True)).equals(lists[0])


def test_probes_are_capped_evenly() -> None:
    made = [Gallery(**ALL | {"seed": seed, "max_probes": 6}).pairs(utterances()) for seed in range(20)]
    assert {len(table["test"].unique()) for table in made} == {6}
    assert {speaker(utt_id) for table in made for utt_id in table["test"].to_pylist()} == set(SHAPE)


@pytest.mark.parametrize(
    ("changes", "shape", "message"),
    [
        ({"strangers": 1.0}, SHAPE, "A gallery has enrolments and probes: .* strangers=1.0"),
        ({"max_probes": 0}, SHAPE, "A gallery has enrolments and probes: .* max_probes=0"),
        ({"strangers": 0.05}, SHAPE, "no strangers: got strangers=0.05 of 5 speakers"),
        ({"split": "dev"}, SHAPE, "nothing to pair: got split=dev"),
        ({"strangers": 0.0}, {"a": [2], "b": [3]}, "nothing to identify: got 2 enrolled speakers and 0 probes"),
        ({"strangers": 0.0}, {"a": [2, 2]}, "nothing to identify: got 1 enrolled speakers and 2 probes"),
    ],
)
def test_what_makes_no_list_is_refused(changes: dict[str, Any], shape: dict[str, list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Gallery(**ALL | changes).pairs(utterances(shape=shape))


def test_whoever_is_unknown_is_tried_against_everybody_known():
    speakers = ["anna", None, "bob", None, "anna"]
    columns = {"utt_id": list("abcde"), "speaker": speakers, "session": speakers, "split": ["test"] * 5}
    gallery = Gallery(**ALL)
    trials = gallery.pairs(pa.table(columns))
    pairs = {(row["enroll"], row["test"]) for row in trials.to_pylist()}
    assert pairs == {(known, unknown) for known in "ace" for unknown in "bd"}
    assert trials["target"].null_count == len(trials) == 6
    with pytest.raises(ValueError, match="nobody to identify: got 2 utterances of unknown speakers"):
        gallery.pairs(pa.table(columns).take([1, 3]))
