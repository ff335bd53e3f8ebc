"""Records as an explanation leaves them, of invented numbers that belong together."""

import itertools

import numpy as np
from scipy import stats

from avis.explain.record import (
    Attribute,
    Band,
    Bar,
    Cohort,
    Counterfactual,
    Explanation,
    Frames,
    Guess,
    Matrix,
    Neighbour,
    Segment,
    Side,
    SideName,
)

QUALITY = {
    "speech_s": 3.1,
    "snr_db": 24.31,
    "clip_ratio": 0.00021,
    "rms_dbfs": -23.4,
    "dc_offset": -0.0001,
    "bandwidth_hz": 7612.0,
}
EDGES_HZ = (0, 300, 700, 1200, 2000, 3000, 4000, 6000, 8000)


def side(name: SideName, recording: int = 0, *, duration_s: float = 4.0, path: str = "") -> Side:
    return Side(
        side=name,
        recording=recording,
        name=path or f"/voices/{name}/{recording}.flac",
        sha256=f"{recording}f" * 32,
        duration_s=duration_s,
        speech_s=0.8 * duration_s,
        quality=QUALITY | {"snr_db": None if recording else 24.31},
    )


def segments_of(each: Side, shares: np.ndarray) -> list[Segment]:
    edges = np.linspace(0.1, each.duration_s - 0.1, len(shares) + 1)
    return [
        Segment(
            side=each.side,
            recording=each.recording,
            start_s=start,
            end_s=end,
            llr=share,
            removed={"splice": 0.7 * share + 0.05, "mean": 0.5 * share, "noise": 0.9 * share - 0.1},
            shapley=1.1 * share,
            gradient=0.8 * share + 0.02,
        )
        for (start, end), share in zip(itertools.pairwise(edges.tolist()), shares.tolist(), strict=True)
    ]


def frames_of(each: Side, shares: np.ndarray, rng: np.random.Generator, *, step_s: float = 0.01) -> Frames:
    num = max(int((each.duration_s - 0.2) / step_s), len(shares))
    of_segment = np.arange(num) * len(shares) // num
    weights = rng.gamma(1.5, size=num)
    weights /= np.bincount(of_segment, weights=weights)[of_segment]
    noise = rng.normal(scale=0.02, size=num)
    noise -= (np.bincount(of_segment, weights=noise) / np.bincount(of_segment))[of_segment]
    start_s = np.linspace(0.1, each.duration_s - 0.1, num + 1)
    return Frames(
        side=each.side,
        recording=each.recording,
        start_s=start_s.tolist(),
        llr=(shares[of_segment] * weights + noise).tolist(),
    )


def matrix_of(sides: list[Side], parts: list[Segment], rng: np.random.Generator, *, total: float) -> Matrix:
    enroll, test = ([each for each in parts if each.side == name] for name in ("enroll", "test"))
    values = rng.normal(total / max(1, len(enroll) * len(test)), 0.08, size=(len(enroll), len(test)))
    return Matrix(
        enroll=[(each.start_s, each.end_s) for each in enroll],
        test=[(each.start_s, each.end_s) for each in test],
        enroll_recording=[each.recording for each in enroll],
        test_recording=[each.recording for each in test],
        values=values.tolist(),
        total=float(values.sum()) + 0.25,
        rest=0.25,
    )


def record(*, sides: list[Side], llr: float, seed: int = 0, per_side: int = 4) -> Explanation:
    """Return a calibrated trial with everything, of a ratio and segments by recording."""
    rng = np.random.default_rng(seed)
    shares = [rng.normal(llr / 6, 0.9, size=per_side) for _ in sides]
    parts = [segment for each, own in zip(sides, shares, strict=True) for segment in segments_of(each, own)]
    bars = [
        Bar(part=f"{each.side} {each.start_s:.1f}-{each.end_s:.1f} s", kind="segment", llr=each.llr) for each in parts
    ]
    bars += [
        Bar(part="likeness to voices in general", kind="model", llr=0.61),
        Bar(part="normalisation by the cohort", kind="normalisation", llr=-1.94),
        Bar(part="duration, the lower of both sides", kind="quality", llr=0.22),
    ]
    bars.append(Bar(part="different people, as a rule", kind="offset", llr=llr - sum(each.llr for each in bars)))
    quantiles = stats.norm.ppf(np.linspace(0.003, 0.997, 101))
    return Explanation(
        model="9f2c61d0a5b14e7d",
        outcome="match" if llr > 1 else "no_match" if llr < -1 else "unsure",
        threshold=0.0,
        unit="llr",
        score=0.4213,
        score_norm=3.871,
        llr=llr,
        llr_interval=(llr - 1.4, llr + 1.1),
        llr_bounds=(-7.6, 7.6),
        num_calibration_speakers=101,
        verbal="moderately strong support for one speaker" if llr > 0 else "moderate support for two speakers",
        waterfall=bars,
        segments=parts,
        frames=[frames_of(each, own, rng) for each, own in zip(sides, shares, strict=True)],
        evidence=matrix_of(sides, parts, rng, total=llr),
        windows=matrix_of(sides, parts, rng, total=llr),
        completeness_gap=0.021,
        baseline=-1.3,
        bands=[
            Band(side=name, low_hz=low, high_hz=high, removed=float(rng.normal(0.4, 0.5)))
            for name in ("enroll", "test")
            for low, high in itertools.pairwise(EDGES_HZ)
        ],
        counterfactuals=[
            Counterfactual(change="half of the speech", llr=0.6 * llr, outcome="unsure"),
            Counterfactual(change="at 8 kHz", llr=0.8 * llr, outcome="match" if llr > 0 else "no_match"),
            Counterfactual(change="with only a tenth of the speech", llr=None, outcome="not_heard"),
        ],
        acoustics=[
            Attribute(
                name="f0_median_hz",
                unit="Hz",
                enroll=112.4,
                test=118.9,
                enroll_percentile=38,
                test_percentile=51,
                llr=0.62,
            ),
            Attribute(
                name="f0_iqr_semitones",
                unit="semitones",
                enroll=3.12,
                test=2.48,
                enroll_percentile=61,
                test_percentile=44,
                llr=0.1,
            ),
            Attribute(
                name="f1_hz", unit="Hz", enroll=512.0, test=498.0, enroll_percentile=70, test_percentile=64, llr=0.3
            ),
            Attribute(name="hnr_db", unit="dB", enroll=14.2, test=None, enroll_percentile=82),
            Attribute(
                name="syllable_rate_hz",
                unit="syllables/s",
                enroll=4.1,
                test=5.7,
                enroll_percentile=20,
                test_percentile=93,
                llr=-0.9,
            ),
        ],
        guesses=[
            Guess(
                side=name,
                attribute="gender",
                value=value,
                probability=probability,
                interval=interval,
                accuracy=0.91,
                accuracy_interval=(0.84, 0.95),
                chance=0.5,
            )
            for name, value, probability, interval in (("enroll", "f", 0.93, (0.81, 0.98)), ("test", None, None, None))
        ],
        cohort=Cohort(
            num_voices=312,
            enroll_nearest=[Neighbour(voice=f"voice {n:03}", score=0.44 - 0.012 * n) for n in range(10)],
            test_nearest=[Neighbour(voice=f"voice {3 * n:03}", score=0.36 - 0.009 * n) for n in range(10)],
            overlap=4,
            rank_p=1 / 313,
        ),
        calibration=[(4.0 + 1.6 * quantiles).clip(-7.6, 7.6).tolist(), (-4.2 + 1.5 * quantiles).tolist()],
        sides=sides,
        warnings=["The second recording is noisy: 8.1 dB.", "The recordings differ in bandwidth: 7.6 kHz and 3.4 kHz."],
    )


def match() -> Explanation:
    return record(sides=[side("enroll", duration_s=4.0), side("test", duration_s=5.2)], llr=5.31)


def no_match_of_several() -> Explanation:
    sides = [*(side("enroll", number, duration_s=11.0 + number) for number in range(3)), side("test", duration_s=12.4)]
    return record(sides=sides, llr=-4.02, seed=3, per_side=12).model_copy(update={"prior": 0.01})


def uncalibrated() -> Explanation:
    """Return a trial of a model that has no exact route, where nothing was calibrated."""
    full = match()
    bare = {"llr": None, "shapley": None, "gradient": None}
    nothing = ("score_norm", "llr", "llr_interval", "llr_bounds", "num_calibration_speakers", "verbal", "evidence")
    return full.model_copy(
        update=dict.fromkeys(nothing)
        | {"unit": "score", "outcome": "unsure", "waterfall": [], "frames": [], "calibration": None, "cohort": None}
        | {"segments": [each.model_copy(update=bare) for each in full.segments]}
        | {
            "acoustics": [
                each.model_copy(update={"enroll_percentile": None, "test_percentile": None, "llr": None})
                for each in full.acoustics
            ]
        }
    )


def not_heard() -> Explanation:
    return Explanation(
        model="9f2c61d0a5b14e7d",
        outcome="not_heard",
        threshold=0.0,
        unit="llr",
        sides=[side("enroll"), side("test").model_copy(update={"duration_s": 0.0, "speech_s": 0.0, "quality": {}})],
        warnings=["In the second recording nobody speaks."],
    )
