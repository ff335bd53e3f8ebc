"""Check what is claimed of the ratio, its interval, bounds, prior and calibration."""

import math
import re

from avis.explain.text.reread.evidence import TOWARDS, Check, Evidence, Words, is_bound, require, require_towards
from avis.explain.text.reread.numerals import agrees, agrees_as_ratio, agrees_in_percent

INTERVAL_LEVEL = 95.0
"""Percent: of every interval of `avis.explain.record.Explanation`."""

NEVER = 1e-15
"""No probability is nought or one."""

TRIALS = {"one person": "calibration/0", "two people": "calibration/1"}


def _ratio(evidence: Evidence, words: Words) -> None:
    llr = evidence.take("llr", "counterfactuals/N/llr", "acoustics/N/llr")
    evidence.towards = TOWARDS[words["who"]] * (1 if words["than"] == "more" else -1)
    require(agrees_as_ratio(words["size"].removesuffix(" times").replace("hardly", "1"), abs(llr)), llr)
    require((llr >= 0) == (evidence.towards > 0), llr)


def _apart(evidence: Evidence, words: Words) -> None:
    for size, who in ((words["one"], words["one_who"]), (words["other"], words["who"])):
        llr = evidence.take("llr_interval/N")
        require(agrees_as_ratio(size, abs(llr)), llr)
        require_towards(llr, who)


def _between(evidence: Evidence, words: Words) -> None:
    for size in (words["one"], words["other"]):
        llr = evidence.take("llr_interval/N")
        require(agrees_as_ratio(size, abs(llr)), llr)
        require(evidence.towards is not None and (llr >= 0) == (evidence.towards > 0), llr)


def _settled(evidence: Evidence, _: Words) -> None:
    ends = [evidence.take("llr_interval/N") for _ in range(2)]
    require(ends[0] == ends[1], ends)


def _level(evidence: Evidence, words: Words) -> None:
    of_interval = re.fullmatch(r"(llr_|guesses/\d+/(accuracy_)?)interval/\d", evidence.next)
    require(bool(of_interval) and float(words["size"]) == INTERVAL_LEVEL, INTERVAL_LEVEL)


def _towards(evidence: Evidence, words: Words) -> None:
    require_towards(evidence.take("llr"), words["who"])


def _bound(evidence: Evidence, words: Words) -> None:
    bound = evidence.take("llr_bounds/N")
    require(agrees_as_ratio(words["size"], abs(bound)) and is_bound(evidence.record["llr"], bound), bound)
    require_towards(bound, words["who"])


def _capped(evidence: Evidence, _: Words) -> None:
    llr, bounds = evidence.take("llr"), evidence.record["llr_bounds"]
    require(bounds is not None and any(is_bound(llr, bound) for bound in bounds), bounds)


def _threshold(evidence: Evidence, words: Words) -> None:
    threshold = evidence.take("threshold")
    require(agrees_as_ratio(words["size"], threshold), threshold)


def _logs(evidence: Evidence, words: Words) -> None:
    for size, fact in ((words["one"], "llr"), (words["other"], "threshold")):
        value = evidence.take(fact)
        require(agrees(size, value), value)


def _prior(evidence: Evidence, words: Words) -> None:
    prior = evidence.take("prior")
    require(agrees_in_percent(words["size"], words["bound"], prior), prior)


def _posterior(evidence: Evidence, words: Words) -> None:
    llr, prior = evidence.take("llr"), evidence.take("prior")
    log_odds = llr + math.log(prior / (1 - prior))
    rarer = max(math.exp(-abs(log_odds)) / (1 + math.exp(-abs(log_odds))), NEVER)
    share = rarer if (log_odds < 0) == (TOWARDS[words["who"]] > 0) else 1 - rarer
    require(agrees_in_percent(words["size"], words["bound"], share), share)


def _misled(evidence: Evidence, words: Words) -> None:
    sign, ratios = TOWARDS[words["who"]], _trials(evidence, words["who"])
    require(TOWARDS[words["other"]] == -sign, "the other direction")
    _at_most(words, sum(ratio < 0 if sign > 0 else ratio >= 0 for ratio in ratios), len(ratios))


def _trials(evidence: Evidence, who: str) -> list[float]:
    ratios: list[float] = evidence.take("calibration/N")
    require(evidence.last == TRIALS[who], "trials of the other kind")
    return ratios


def _as_far(evidence: Evidence, words: Words) -> None:
    ratios, llr = _trials(evidence, words["who"]), evidence.take("llr")
    high = words["far"].startswith("high")
    require(high == (words["who"] == "two people") == (llr >= 0), llr)
    _at_most(words, sum(ratio >= llr if high else ratio <= llr for ratio in ratios), len(ratios))


def _at_most(words: Words, num: int, of: int) -> None:
    """Hold a share against how many of so many equally spaced percentiles are on its side."""
    share = min(1.0, num / (of - 1))
    require(agrees_in_percent(words["size"], words["bound"], share) if words["size"] else not num, share)


RATIO_CHECKS: dict[str, Check] = {
    "ratio": _ratio,
    "apart": _apart,
    "between": _between,
    "settled": _settled,
    "level": _level,
    "towards": _towards,
    "bound": _bound,
    "capped": _capped,
    "threshold": _threshold,
    "logs": _logs,
    "prior": _prior,
    "posterior": _posterior,
    "misled": _misled,
    "as_far": _as_far,
}
