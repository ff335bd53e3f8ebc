"""Pairing, against every pair written out."""

import resource
import time
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from avis.schema import TRIALS, UTTERANCES
from avis.scoring.pairing import Pairing

ALL = {
    "split": "test",
    "cross_session": False,
    "same": [],
    "max_target": 10**6,
    "max_nontarget": 10**6,
    "balanced": False,
    "seed": 0,
}
Row = dict[str, object]


def pairing(**changes: object) -> Pairing:
    return Pairing(**(ALL | changes))  # type: ignore[arg-type]


def table(rows: list[Row]) -> pa.Table:
    names = ["utt_id", "speaker", "session", "corpus", "split", "attributes"]
    return pa.Table.from_pylist(rows, schema=pa.schema([UTTERANCES.field(name) for name in names]))


def some_rows() -> list[Row]:
    """Five speakers of unlike numbers of sessions and utterances, and one of another split."""
    shape = {"a": [3, 2], "b": [4], "c": [1, 1, 2], "d": [2, 1], "e": [1], "z": [2, 2]}
    return [
        {
            "utt_id": f"v/{speaker}/{session}/{take}",
            "speaker": f"v/{speaker}",
            "session": f"v/{speaker}/{session}",
            "corpus": "v" if speaker in "ab" else "w",
            "split": "train" if speaker == "z" else "test",
            "attributes": [("gender", "f" if speaker in "ace" else "m"), ("language", "xy"[take % 2])],
        }
        for speaker, sessions in shape.items()
        for session, takes in enumerate(sessions)
        for take in range(takes)
    ]


def expected(rows: list[Row], *, cross_session: bool, same: list[str]) -> dict[frozenset[str], bool]:
    """Write out every allowed pair and its answer."""
    pairs = {}
    for one, other in combinations([row for row in rows if row["split"] == "test"], 2):
        values = [{**dict(row["attributes"]), "corpus": row["corpus"]} for row in (one, other)]  # type: ignore[call-overload]
        target = one["speaker"] == other["speaker"]
        if any(values[0][name] != values[1][name] for name in same):
            continue
        if not (target and cross_session and one["session"] == other["session"]):
            pairs[frozenset((one["utt_id"], other["utt_id"]))] = target
    return pairs  # type: ignore[return-value]


def pairs_of(trials: pa.Table) -> list[frozenset[str]]:
    return [frozenset((row["enroll"], row["test"])) for row in trials.to_pylist()]


@pytest.mark.parametrize("cross_session", [False, True])
@pytest.mark.parametrize("same", [[], ["gender"], ["corpus"], ["gender", "language"]])
def test_without_a_cap_every_allowed_pair_is_there_once(cross_session: bool, same: list[str]) -> None:
    trials = pairing(cross_session=cross_session, same=same).pairs(table(some_rows()))
    assert trials.column_names == [*TRIALS.names, *same]
    pairs = pairs_of(trials)
    assert len(set(pairs)) == len(pairs)
    assert dict(zip(pairs, trials["target"].to_pylist(), strict=True)) == expected(
        some_rows(), cross_session=cross_session, same=same
    )


def test_conditions_are_those_of_both_sides() -> None:
    attributes = {row["utt_id"]: dict(row["attributes"]) for row in some_rows()}  # type: ignore[call-overload]
    for trial in pairing(same=["language", "gender"]).pairs(table(some_rows())).to_pylist():
        for side in ("enroll", "test"):
            assert attributes[trial[side]] == {"language": trial["language"], "gender": trial["gender"]}


def test_attributes_agree_however_they_are_written() -> None:
    forms = {"f": ("Bj\u00f6rn ", "Bjo\u0308rn"), "m": ("Lund", "\u200bLund")}
    rows = [
        row | {"attributes": [("village", forms[dict(row["attributes"])["gender"]][number % 2])]}  # type: ignore[call-overload]
        for number, row in enumerate(some_rows())
    ]
    trials = pairing(same=["village"]).pairs(table(rows))
    assert set(trials["village"].to_pylist()) == {"Bj\u00f6rn", "Lund"}
    assert set(pairs_of(trials)) == set(expected(some_rows(), cross_session=False, same=["gender"]))


@pytest.mark.parametrize("caps", [(1, 1), (7, 30), (10**6, 3)])
def test_caps_and_balance(caps: tuple[int, int]) -> None:
    possible = list(expected(some_rows(), cross_session=True, same=[]).values())
    num = [min(cap, possible.count(kind)) for cap, kind in zip(caps, (True, False), strict=True)]
    for balanced in (False, True):
        made = pairing(cross_session=True, max_target=caps[0], max_nontarget=caps[1], balanced=balanced)
        trials = made.pairs(table(some_rows()))
        target = trials["target"].to_pylist()
        assert [target.count(True), target.count(False)] == ([min(num)] * 2 if balanced else num)
        assert len(set(pairs_of(trials))) == len(trials)
        assert set(pairs_of(trials)) <= set(expected(some_rows(), cross_session=True, same=[]))


def test_the_seed_decides_and_the_order_of_rows_does_not() -> None:
    rows = some_rows()
    drawn = pairing(max_target=9, max_nontarget=20).pairs(table(rows))
    assert pairing(max_target=9, max_nontarget=20).pairs(table(rows[::-1])).equals(drawn)
    assert not pairing(max_target=9, max_nontarget=20, seed=1).pairs(table(rows)).equals(drawn)


def test_every_pair_and_both_orders_are_equally_likely() -> None:
    """Chi-square over 400 draws of 12 of the 111 non-targets, and a binomial count of the orders."""
    rows = some_rows()
    possible = [pair for pair, target in expected(rows, cross_session=False, same=[]).items() if not target]
    counts = dict.fromkeys(possible, 0)
    forwards = 0
    for seed in range(400):
        trials = pairing(max_target=1, max_nontarget=12, seed=seed).pairs(table(rows)).slice(1)
        forwards += sum(row["enroll"] < row["test"] for row in trials.to_pylist())
        for pair in pairs_of(trials):
            counts[pair] += 1
    mean = 400 * 12 / len(possible)
    chi_square = sum((count - mean) ** 2 / mean for count in counts.values())
    assert chi_square < len(possible) + 5 * np.sqrt(2 * len(possible))
    assert abs(forwards - 2400) < 5 * np.sqrt(1200)


def test_the_draw_is_that_of_the_raw_stream() -> None:
    """Number the pairs by the sorted ids, give each a random word: those of the smallest words are drawn."""
    allowed = expected(sorted(some_rows(), key=lambda row: str(row["utt_id"])), cross_session=True, same=[])
    for kind in (True, False):
        possible = [pair for pair, target in allowed.items() if target == kind]
        words = np.random.PCG64([5, int(kind)]).random_raw(len(possible)).tolist()
        num = len(possible) - 4
        drawn = sorted(range(len(possible)), key=words.__getitem__)[:num]
        made = pairing(cross_session=True, seed=5, **{"max_target" if kind else "max_nontarget": num})
        trials = made.pairs(table(some_rows()))
        listed = pairs_of(trials.filter(pc.equal(trials["target"], kind)))
        assert listed == [possible[number] for number in sorted(drawn)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "dev"}, r"got split=dev .*expected one of \['test', 'train'\]\."),
        ({"split": "train"}, r"nothing to pair: got 6 target and 0 non-target pairs.*4 utterances of 1 speakers"),
        ({"same": ["age"]}, r"attribute missing: got 17 of 17 utterances without age.*same=\['age'\], split=test, v/"),
        ({"max_target": 0}, r"got max_target=0 and max_nontarget=1000000, expected at least 1"),
    ],
)
def test_what_cannot_be_paired_is_refused(changes: Row, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pairing(**changes).pairs(table(some_rows()))


def test_speakers_of_one_session_have_no_cross_session_targets() -> None:
    rows = [row for row in some_rows() if row["speaker"] in ("v/b", "v/e")]
    assert pairing().pairs(table(rows))["target"].to_pylist().count(True) == 6
    with pytest.raises(ValueError, match=r"got 0 target and 4 non-target pairs.*cross_session=True"):
        pairing(cross_session=True).pairs(table(rows))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_possible_pairs() -> None:
    """200 thousand utterances have 2e10 pairs."""
    num = 200_000
    speaker = np.arange(num) // 50
    ids = [pa.array(np.char.mod(form, values)) for form, values in (("u%07d", np.arange(num)), ("s%05d", speaker))]
    session = pa.array(np.char.mod("n%06d", np.arange(num) // 10))
    attributes = pa.array([[("gender", "fm"[i % 100 < 50])] for i in range(num)], UTTERANCES.field("attributes").type)
    corpus, split = pa.array(["v"] * num), pa.array(["test"] * num)
    utterances = pa.table([*ids, session, corpus, split, attributes], table([]).column_names)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    trials = pairing(cross_session=True, same=["gender"], max_target=100_000, max_nontarget=100_000).pairs(utterances)
    assert time.process_time() - start < 5.0
    assert len(trials) == 200_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def test_unknown_speakers_are_not_paired():
    pairing = Pairing(**ALL)
    columns = {"utt_id": ["a", "b"], "speaker": pa.nulls(2, pa.string()), "session": pa.nulls(2, pa.string())}
    with pytest.raises(ValueError, match="speakers unknown: got 2 of 2 utterances"):
        pairing.pairs(pa.table(columns | {"corpus": ["u", "u"], "split": ["test", "test"]}))
