"""Check outcomes, sides, names, counts, and numbers that mean what they say."""

import re

from avis.acoustics import measure
from avis.explain.text.facts import value_at
from avis.explain.text.reread.evidence import TOWARDS, Check, Evidence, Words, require
from avis.explain.text.reread.numerals import agrees, agrees_in_percent

SIDES = {"enrolment": "enroll", "test": "test"}
OUTCOMES = {"same speaker": "match", "different speakers": "no_match", "unsure": "unsure", "not heard": "not_heard"}
DECISIONS = {"Accepted": "match", "Rejected": "no_match"}
UNITS = {"natural-log likelihood ratios, positive for one speaker": "llr", "the back-end's score": "score"}
WITH_UNIT = {
    "s heard": "sides/N/duration_s",
    "s of speech": "sides/N/speech_s",
    "Hz": "sides/N/quality/bandwidth_hz",
    "dB": "sides/N/quality/snr_db",
    "dBFS": "sides/N/quality/rms_dbfs",
}
COUNTS = {
    "speaker": ("num_calibration_speakers",),
    "voice": ("cohort/num_voices", "cohort/overlap"),
    "part": ("waterfall",),
    "recording": ("frames",),
    "statement": ("caption/num_statements",),
}
ABSENT = {
    "nobody would be heard": ("counterfactuals/N/llr",),
    "is not known": ("num_calibration_speakers",),
    "no likelihood ratio can be given": ("llr",),
    "cannot be told exactly": ("segments", "segments/N/llr", "frames", "evidence"),
    "is unclear": ("guesses/N/value",),
    "not measured": ("acoustics/N/enroll", "acoustics/N/test"),
    "not tried": ("windows", "completeness_gap", "bands", "counterfactuals"),
}
ATTRIBUTES = {name: attribute.words for name, attribute in measure.ATTRIBUTES.items()}
"""What can be heard, in English."""

NAMES = (
    "verbal",
    "model",
    "warnings/N",
    "sides/N/name",
    "waterfall/N/part",
    "counterfactuals/N/change",
    "cohort/enroll_nearest/N/voice",
    "cohort/test_nearest/N/voice",
    "acoustics/N/name",
    "acoustics/N/unit",
    "guesses/N/value",
    "caption/text",
)
SCORES = {"a score of": ("score", "score_norm", "counterfactuals/N/llr"), "score is": ("score",)}
PLAIN = (
    "acoustics/N/enroll",
    "acoustics/N/test",
    "sides/N/quality/dc_offset",
    "cohort/enroll_nearest/N/score",
    "cohort/test_nearest/N/score",
    "waterfall/N/llr",
    "evidence/rest",
    "windows/rest",
)
SHARES = (
    "sides/N/quality/clip_ratio",
    "cohort/rank_p",
    "completeness_gap",
    "caption/precision",
    "caption/baseline",
)
PERCENTILES = ("acoustics/N/enroll_percentile", "acoustics/N/test_percentile")
THIRDS = {"lower": (0.0, 100.0 / 3.0), "middle": (100.0 / 3.0, 200.0 / 3.0), "upper": (200.0 / 3.0, 100.0)}
LEAST_APART = 10.0
"""Percentiles that are nearer to one another are alike."""

RECORDINGS = (
    "segments/N/recording",
    "sides/N/recording",
    *(f"{name}/{side}_recording/N" for name in ("evidence", "windows") for side in ("enroll", "test")),
)


def _number(evidence: Evidence, words: Words, *allowed: str) -> None:
    value = evidence.take(*allowed)
    require(agrees(words["size"], value), value)


def _percent(evidence: Evidence, words: Words) -> None:
    share = evidence.take(*SHARES)
    require(agrees_in_percent(words["size"], words["bound"], share), share)


def _share(evidence: Evidence, words: Words, fact: str) -> None:
    share = evidence.take(fact)
    require(agrees_in_percent(words["size"], words["bound"], share), share)


def _ends(evidence: Evidence, words: Words) -> None:
    of = {"probability": "interval", "accuracy": "accuracy_interval"}.get(evidence.last.rpartition("/")[2])
    for place, name in enumerate(("lower", "upper")):
        share = evidence.take(f"guesses/N/{of}/N")
        require(evidence.last.endswith(f"/{place}"), share)
        require(agrees_in_percent(words[name], words[f"{name}_bound"], share), share)


def _guessed(evidence: Evidence, words: Words) -> None:
    attribute = evidence.take("guesses/N/attribute")
    require(words["attribute"].lower() == attribute, attribute)


def _recording(evidence: Evidence, words: Words) -> None:
    recording = evidence.take(*RECORDINGS)
    require(agrees(words["size"], recording + 1), recording)


def _count(evidence: Evidence, words: Words) -> None:
    found = evidence.take(*COUNTS[words["noun"]])
    num = len(found) if isinstance(found, list) else found
    require(agrees(words["size"], num), num)


def _absent(evidence: Evidence, words: Words) -> None:
    found = evidence.take(*ABSENT[words["absent"].lower()])
    if evidence.last == "segments":
        found = [each for each in found if each["llr"] is not None]
    require(found is None or found == [], found)


def _same(evidence: Evidence, _: Words) -> None:
    digests = [evidence.take("sides/N/sha256") for _ in range(2)]
    require(digests[0] == digests[1] != "", digests)


def _counted_in(evidence: Evidence, words: Words) -> None:
    unit = evidence.take("unit")
    require(UNITS[words["unit"]] == unit, unit)


def _outcome(evidence: Evidence, words: Words) -> None:
    outcome = evidence.take("outcome", "counterfactuals/N/outcome")
    require(OUTCOMES[words["outcome"].lower()] == outcome, outcome)


def _decision(evidence: Evidence, words: Words) -> None:
    outcome = evidence.take("outcome")
    require(DECISIONS[words["decision"]] == outcome, outcome)


def _side(evidence: Evidence, words: Words) -> None:
    """Hold a side against the fact that names it or, where none does, against that which was taken of it."""
    side = SIDES[words["side"]]
    if evidence.next.endswith("/side"):
        found = evidence.take("segments/N/side", "sides/N/side", "bands/N/side", "guesses/N/side")
        require(found == side, found)
        of = evidence.last.rpartition("/")[0]
        recording = value_at(evidence.record, of).get("recording", 0)
        require(not recording or f"{of}/recording" in evidence.taken, f"recording {recording + 1}")
    elif evidence.facts:
        told = [match[1] for fact in evidence.taken if (match := re.search(r"/(enroll|test)(?=_|/|$)", fact))]
        require(told[-1:] == [side], told[-1:])


def _third(evidence: Evidence, words: Words) -> None:
    percentile = evidence.take(f"acoustics/N/{SIDES[words['side']]}_percentile")
    low, high = THIRDS[words["third"]]
    require(low <= percentile <= high, percentile)


def _higher(evidence: Evidence, words: Words) -> None:
    enroll, test = (evidence.take(percentile) for percentile in PERCENTILES)
    apart = {"enrolment": enroll - test, "test": test - enroll}.get(words["side"])
    require(abs(enroll - test) < LEAST_APART if apart is None else apart >= LEAST_APART, (enroll, test))


def _borne_out(evidence: Evidence, words: Words) -> None:
    for size, fact in ((words["one"], "num_checked"), (words["other"], "num_borne_out")):
        num = evidence.take(f"caption/{fact}")
        require(agrees(size, num), num)


def _nearest(evidence: Evidence, words: Words) -> None:
    require(evidence.next.startswith(f"cohort/{SIDES[words['side']]}_nearest/"), evidence.next)


def _name(evidence: Evidence, _: Words) -> None:
    name = evidence.take(*NAMES)
    if evidence.last == "verbal":
        llr = evidence.record["llr"]
        for who in ("one speaker", "two speakers"):
            require(f"for {who}" not in name or (llr >= 0) == (TOWARDS[who] > 0), llr)


WORD_CHECKS: dict[str, Check] = {
    "name": _name,
    "score": lambda evidence, words: _number(evidence, words, *SCORES[words["of"]]),
    "normalised": lambda evidence, words: _number(evidence, words, "score_norm"),
    "with_unit": lambda evidence, words: _number(evidence, words, WITH_UNIT[words["unit"]]),
    "percentile": lambda evidence, words: _number(evidence, words, *PERCENTILES),
    "third": _third,
    "higher": _higher,
    "borne_out": _borne_out,
    "percent": _percent,
    "sounds": lambda evidence, words: _share(evidence, words, "guesses/N/probability"),
    "right": lambda evidence, words: _share(evidence, words, "guesses/N/accuracy"),
    "by_chance": lambda evidence, words: _share(evidence, words, "guesses/N/chance"),
    "ends": _ends,
    "guessed": _guessed,
    "recording": _recording,
    "count": _count,
    "absent": _absent,
    "same": _same,
    "counted_in": _counted_in,
    "outcome": _outcome,
    "decision": _decision,
    "nearest": _nearest,
    "side": _side,
    "plain": lambda evidence, words: _number(evidence, words, *PLAIN),
}
