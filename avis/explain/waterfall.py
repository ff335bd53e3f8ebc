"""The log-likelihood ratio as a sum of named parts, exact to rounding."""

from collections.abc import Iterator
from dataclasses import dataclass

from avis.explain.judge import Judge
from avis.explain.record import Bar
from avis.explain.shares import Shares
from avis.explain.side import Side

LEAST_ROUNDING, MOST_ROUNDING = 1e-5, 1e-3
"""From where on it is a bar, and, of the largest bar, where it is none of rounding."""

INPUTS = {"lower": "the lower of both sides", "distance": "how far apart both sides are"}


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """How the back-end's score becomes evidence: ``evidence == factor * score + shift + what the calibration adds``.

    Attributes
    ----------
    score, score_norm : float
        The back-end's, and that which is calibrated.
    factor : float
        Evidence for each unit of ``score``.
    shift : float or None
        What normalisation by the cohort takes away or adds, where there is any.
    evidence : float
        What it comes to, as the verifier computes it.
    added, usual : dict
        What the calibration adds, by the names of `avis.scoring.calibration.Calibration.terms`, and all its terms for
        different people, as a rule.
    """

    score: float
    score_norm: float
    factor: float
    shift: float | None
    evidence: float
    added: dict[str, float]
    usual: dict[str, float]


def conversion_of(judge: Judge) -> Conversion:
    """Return how a trial's score becomes evidence, its cohort statistics held."""
    enroll, test = judge.own()
    backend, calibration = judge.comparison.backend, judge.comparison.calibration
    slope, shift = 1.0, None
    if backend.normalized is None:
        score = backend.score(enroll.vectors, test.vectors)
        calibrated = score
    else:
        score = backend.normalized.raw_score(enroll.vectors, test.vectors)
        calibrated = backend.normalized.normalize(score, enroll.vectors, test.vectors)
        slope, shift = (float(each[0]) for each in backend.normalized.held_normalization(enroll.vectors, test.vectors))
    weight, added, usual = 1.0, {}, {}
    if calibration is not None:
        terms = calibration.terms(calibrated, judge.comparison.features(enroll, test))
        weight, usual = calibration.slope, calibration.usual_terms
        added = {name: float(values[0]) for name, values in terms.items() if name != "score"}
    return Conversion(
        score=float(score[0]),
        score_norm=float(calibrated[0]),
        factor=weight * slope,
        shift=None if shift is None else weight * shift,
        evidence=judge.as_it_was(),
        added=added,
        usual=usual,
    )


def waterfall(sides: tuple[Side, Side], shares: Shares, conversion: Conversion, *, llr: float) -> list[Bar]:
    """Return the addends of a capped ratio: first what different people come to as a rule, then what is otherwise here.

    Parameters
    ----------
    sides : (Side, Side)
    shares : Shares
    conversion : Conversion
    llr : float
        What they add up to.
    """
    factor, usual = conversion.factor, conversion.usual
    bars = [Bar(part="different people, as a rule", kind="offset", llr=sum(usual.values()))]
    bars += _of_speech(sides, shares, factor)
    common, beside = factor * shares.common, factor * shares.usual - usual["score"]
    if conversion.shift is None:
        common += beside
    else:
        bars.append(Bar(part="normalisation by the cohort", kind="normalisation", llr=conversion.shift + beside))
    bars.append(Bar(part="likeness to voices in general", kind="model", llr=common))
    for name, value in conversion.added.items():
        measure, _, which = name.rpartition("_")
        if name != "offset":
            part = f"{measure.replace('_', ' ')}, {INPUTS[which]}"
            bars.append(Bar(part=part, kind="quality", llr=value - usual[name]))
    rounding = conversion.evidence - sum(bar.llr for bar in bars)
    largest = max(abs(bar.llr) for bar in bars)
    assert abs(rounding) <= MOST_ROUNDING * max(1.0, largest), f"bars that miss {rounding} of {conversion.evidence}"
    if abs(rounding) > LEAST_ROUNDING:
        bars.append(Bar(part="rounding to 32 bits", kind="rounding", llr=rounding))
    if cap := llr - conversion.evidence:
        bars.append(Bar(part="cap of the calibration", kind="cap", llr=cap))
    return bars


def _of_speech(sides: tuple[Side, Side], shares: Shares, factor: float) -> Iterator[Bar]:
    for side, of_recordings, voice in zip(sides, shares.segments, shares.voices, strict=True):
        for number, heard, of_segments in zip(side.numbers, side.heard, of_recordings, strict=False):
            which = f"{side.spoken} {number + 1}" if len(side.given) > 1 else side.spoken
            for (start_s, end_s), share in zip(heard.spans_s(heard.edges), of_segments, strict=True):
                name = f"{which} {start_s:.1f}-{end_s:.1f} s"
                yield Bar(part=name, kind="segment", llr=factor * float(share))
        if voice:
            yield Bar(part=f"{side.spoken} as a whole", kind="voice", llr=factor * voice)
