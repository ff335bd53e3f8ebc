"""The log-likelihood ratio as a sum of named parts, exact to rounding."""

from collections.abc import Iterator
from dataclasses import dataclass

from avis.explain.judge import Judge
from avis.explain.record import Bar
from avis.explain.shares import Shares
from avis.explain.side import Side

LEAST_ROUNDING = 1e-5

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
    shift : float
        What normalisation by the cohort takes away or adds.
    evidence : float
        What it comes to, as the verifier computes it.
    added : dict
        What the calibration adds, by the names of `avis.scoring.calibration.Calibration.terms`.
    """

    score: float
    score_norm: float
    factor: float
    shift: float
    evidence: float
    added: dict[str, float]


def conversion_of(judge: Judge) -> Conversion:
    """Return how a trial's score becomes evidence, its cohort statistics held."""
    enroll, test = judge.own()
    backend, calibration = judge.comparison.backend, judge.comparison.calibration
    slope, shift = 1.0, 0.0
    if backend.normalized is None:
        score = backend.score(enroll.vectors, test.vectors)
        calibrated = score
    else:
        score = backend.normalized.raw_score(enroll.vectors, test.vectors)
        calibrated = backend.normalized.normalize(score, enroll.vectors, test.vectors)
        slope, shift = (float(each[0]) for each in backend.normalized.held_normalization(enroll.vectors, test.vectors))
    weight, added = 1.0, {}
    if calibration is not None:
        terms = calibration.terms(calibrated, judge.comparison.features(enroll, test))
        weight = calibration.slope
        added = {name: float(values[0]) for name, values in terms.items() if name != "score"}
    return Conversion(
        score=float(score[0]),
        score_norm=float(calibrated[0]),
        factor=weight * slope,
        shift=weight * shift,
        evidence=judge.as_it_was(),
        added=added,
    )


def waterfall(sides: tuple[Side, Side], shares: Shares, conversion: Conversion, *, llr: float) -> list[Bar]:
    """Return the addends of a capped ratio.

    Parameters
    ----------
    sides : (Side, Side)
    shares : Shares
    conversion : Conversion
    llr : float
        What they add up to.
    """
    bars = [*_of_score(sides, shares, conversion.factor)]
    if conversion.shift:
        bars.append(Bar(part="normalisation by the cohort", kind="normalisation", llr=conversion.shift))
    for name, value in conversion.added.items():
        measure, _, which = name.rpartition("_")
        if name == "offset":
            bars.append(Bar(part="offset of the calibration", kind="offset", llr=value))
        else:
            bars.append(Bar(part=f"{measure.replace('_', ' ')}, {INPUTS[which]}", kind="quality", llr=value))
    rounding = conversion.evidence - sum(bar.llr for bar in bars)
    if abs(rounding) > LEAST_ROUNDING:
        bars.append(Bar(part="rounding to 32 bits", kind="rounding", llr=rounding))
    if cap := llr - conversion.evidence:
        bars.append(Bar(part="cap of the calibration", kind="cap", llr=cap))
    return bars


def _of_score(sides: tuple[Side, Side], shares: Shares, factor: float) -> Iterator[Bar]:
    for side, of_recordings, rest in zip(sides, shares.segments, shares.rest, strict=True):
        for number, (heard, of_segments) in enumerate(zip(side.heard, of_recordings, strict=False)):
            which = f"{side.spoken} {number + 1}" if len(side.heard) > 1 else side.spoken
            for (start_s, end_s), share in zip(heard.spans_s(heard.edges), of_segments, strict=True):
                name = f"{which} {start_s:.1f}-{end_s:.1f} s"
                yield Bar(part=name, kind="segment", llr=factor * float(share))
        if side.divisible:
            yield Bar(part=f"model, whatever is said in the {side.spoken}", kind="model", llr=factor * rest)
        elif rest:
            yield Bar(part=f"{side.spoken} as a whole", kind="voice", llr=factor * rest)
    if shares.constant:
        yield Bar(part="back-end, whatever is said", kind="model", llr=factor * shares.constant)
