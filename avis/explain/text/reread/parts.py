"""Check what is claimed of what moved the score."""

import math
from typing import Any

from avis.explain.text.reread.evidence import TOWARDS, Check, Evidence, Words, require, require_towards
from avis.explain.text.reread.numerals import agrees, agrees_as_ratio

NOT_OF_SPEECH = ("quality", "normalisation", "model")
KINDS = {
    "a stretch of speech": "segment",
    "a whole side": "voice",
    "the model": "model",
    "normalisation": "normalisation",
    "a quality measure": "quality",
    "the offset": "offset",
    "rounding": "rounding",
    "the cap": "cap",
}
REMOVALS = {"cut out": "splice", "levelled to the mean spectrum": "mean", "replaced by noise": "noise"}
LABELS = {
    "a share of": "segments/N/llr",
    "Shapley value": "segments/N/shapley",
    "integrated gradient": "segments/N/gradient",
    "has evidence of": "baseline",
}
STRETCHES = tuple(f"{name}/{side}/N/N" for name in ("evidence", "windows") for side in ("enroll", "test"))
ENDS = {"s": ("segments/N/start_s", "segments/N/end_s"), "Hz": ("bands/N/low_hz", "bands/N/high_hz")}


def _start(evidence: Evidence, words: Words) -> None:
    llr = evidence.take("waterfall/N/llr")
    kind = evidence.record["waterfall"][int(evidence.last.split("/")[1])]["kind"]
    require(kind == "offset", kind)
    _require_amount(evidence, words, llr)
    require_towards(llr, words["who"])


def _strongest(evidence: Evidence, words: Words) -> None:
    llr, sign = evidence.take("segments/N/llr"), TOWARDS[words["who"]]
    _require_amount(evidence, words, llr)
    require_towards(llr, words["who"])
    shares = sorted(
        (sign * each["llr"] for each in evidence.record["segments"] if each["llr"] is not None), reverse=True
    )
    rank = ("strongest", "next").index(words["rank"])
    require(shares[rank : rank + 1] == [sign * llr], "a stronger share")


def _require_amount(evidence: Evidence, words: Words, value: float) -> None:
    """Hold what is printed, as a factor, of the score, or as a plain number, against the size of evidence."""
    unit = evidence.record["unit"]
    if words["factor"]:
        require(unit == "llr" and agrees_as_ratio(words["factor"], abs(value)), value)
    elif words["score"]:
        require(unit == "score" and agrees(words["score"], abs(value)), value)
    else:
        require(agrees(words["plain"], abs(value)), value)


def _weighs_most(evidence: Evidence, words: Words) -> None:
    llr = evidence.take("waterfall/N/llr")
    _require_amount(evidence, words, llr)
    require_towards(llr, words["who"])
    weights = [abs(bar["llr"]) for bar in evidence.record["waterfall"] if bar["kind"] in NOT_OF_SPEECH]
    require(abs(llr) == max(weights, default=0.0), "a heavier part")


def _no_stretch(evidence: Evidence, words: Words) -> None:
    shares = [each["llr"] for each in evidence.take("segments") if each["llr"] is not None]
    require(bool(shares) and all(TOWARDS[words["who"]] * share <= 0 for share in shares), shares)


def _removal(evidence: Evidence, words: Words) -> None:
    evidence.way = REMOVALS[words["way"]]


def _moved(evidence: Evidence, words: Words) -> None:
    removed = evidence.take(f"segments/N/removed/{evidence.way}" if evidence.way else "bands/N/removed")
    _require_amount(evidence, words, removed)
    sign = 1 if words["verb"] == "falls" else -1
    require((removed >= 0) == (sign > 0), removed)
    if words["most"]:
        effects = [each["removed"].get(evidence.way) for each in evidence.record["segments"]]
        require(sign * removed == max(sign * each for each in effects if each is not None), "a larger effect")
    evidence.way = None


def _largest(evidence: Evidence, words: Words) -> None:
    value = evidence.take("evidence/values/N/N", "windows/values/N/N")
    values = evidence.record[evidence.last.partition("/")[0]]["values"]
    require(agrees(words["size"], value), value)
    require(abs(value) == max(abs(each) for row in values for each in row), "a larger share")


def _sum(evidence: Evidence, words: Words) -> None:
    found = evidence.take("waterfall", "evidence/total", "windows/total")
    total = _added_up(found) if evidence.last == "waterfall" else found
    require(agrees(words["size"], total), total)


def _added_up(bars: list[dict[str, Any]]) -> float:
    return math.fsum(bar["llr"] for bar in bars)


def _residual(evidence: Evidence, words: Words) -> None:
    residual = abs(_added_up(evidence.take("waterfall")) - evidence.take("llr"))
    require(agrees(words["size"], residual), residual)


def _labelled(evidence: Evidence, words: Words) -> None:
    value = evidence.take(LABELS[words["label"]])
    require(agrees(words["size"], value), value)


def _span(evidence: Evidence, words: Words) -> None:
    for size, fact, place in zip((words["one"], words["other"]), ENDS[words["unit"]], ("0", "1"), strict=True):
        value = evidence.take(fact, *(STRETCHES if words["unit"] == "s" else ()))
        require(evidence.last.rpartition("/")[2] in (fact.rpartition("/")[2], place), value)
        require(agrees(size, value), value)


def _kind(evidence: Evidence, words: Words) -> None:
    kind = evidence.take("waterfall/N/kind")
    require(KINDS[words["kind"]] == kind, kind)


PART_CHECKS: dict[str, Check] = {
    "start": _start,
    "strongest": _strongest,
    "weighs_most": _weighs_most,
    "no_stretch": _no_stretch,
    "removal": _removal,
    "moved": _moved,
    "largest": _largest,
    "sum": _sum,
    "residual": _residual,
    "labelled": _labelled,
    "span": _span,
    "kind": _kind,
}
