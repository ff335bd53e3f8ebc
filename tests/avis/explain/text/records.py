"""Explanations as they might be: one of a trial that might have been, and any number drawn at random."""

import math
import random
from typing import get_args

from avis.acoustics.measure import ATTRIBUTES
from avis.explain.record import Explanation, Kind
from avis.explain.scale import ENFSI_2015, words
from avis.verifier.attributes.head import AttributeName

NAMES = [
    "a.wav",
    "calls/2024-05-01 12.30.flac",
    'the "test"',
    "850 times more likely if two people spoke",
    "s3://bucket/enrolment/3.1 s",
    "aufnahme-für-später.wav",
    "",
]
OUTCOMES = ["match", "no_match", "unsure", "not_heard"]
KINDS = get_args(Kind)


def segment(side, start_s, end_s, llr, recording=0, **others):
    return {"side": side, "start_s": start_s, "end_s": end_s, "llr": llr, "recording": recording, **others}


def side(side, speech_s, recording=0, name="", **others):
    told = {"side": side, "recording": recording, "name": name, "speech_s": speech_s, "duration_s": speech_s + 0.7}
    return told | {"sha256": f"{side}{recording}", "quality": {}} | others


REALISTIC = {
    "model": "5f0c1d9a",
    "outcome": "match",
    "threshold": math.log(100),
    "unit": "llr",
    "score": 0.6123,
    "score_norm": 6.214,
    "llr": 6.7523,
    "llr_interval": (5.1, 6.9),
    "llr_bounds": (-5.2, 6.9),
    "num_calibration_speakers": 42,
    "verbal": words(6.7523, ENFSI_2015),
    "waterfall": [
        {"part": "enrolment 0.0-1.2 s", "kind": "segment", "llr": 3.1},
        {"part": "enrolment 1.2-2.1 s", "kind": "segment", "llr": 1.45},
        {"part": "enrolment 2.1-3.3 s", "kind": "segment", "llr": -0.62},
        {"part": "likeness to voices in general", "kind": "model", "llr": 0.71},
        {"part": "test 0.0-0.9 s", "kind": "segment", "llr": 2.9},
        {"part": "test 0.9-2.0 s", "kind": "segment", "llr": 1.65},
        {"part": "normalisation by the cohort", "kind": "normalisation", "llr": 0.8},
        {"part": "speech s, the lower of both sides", "kind": "quality", "llr": -0.4077},
        {"part": "different people, as a rule", "kind": "offset", "llr": -2.83},
    ],
    "segments": [
        segment("enroll", 0.0, 1.2, 3.1, removed={"splice": 2.2, "mean": 2.6, "noise": 3.0}, shapley=2.9, gradient=2.5),
        segment(
            "enroll", 1.2, 2.1, 1.45, removed={"splice": 0.7, "mean": 0.9, "noise": 1.3}, shapley=1.3, gradient=1.6
        ),
        segment("enroll", 2.1, 3.3, -0.62, removed={"splice": -0.5, "mean": -0.4, "noise": 0.1}, shapley=-0.5),
        segment("test", 0.0, 0.9, 2.9, removed={"splice": 1.9}, shapley=2.5, gradient=2.7),
        segment("test", 0.9, 2.0, 1.65, removed={"splice": 1.1}, shapley=1.4, gradient=1.2),
    ],
    "frames": [{"side": "enroll", "start_s": [0.0, 1.0, 2.0], "llr": [2.0, 1.0]}],
    "evidence": {
        "enroll": [(0.0, 1.2), (1.2, 3.3)],
        "test": [(0.0, 2.0)],
        "enroll_recording": [0, 0],
        "test_recording": [0],
        "values": [[4.4], [2.1]],
        "total": 7.1,
        "rest": 0.6,
    },
    "completeness_gap": 0.031,
    "baseline": -0.35,
    "bands": [
        {"side": "test", "low_hz": 300.0, "high_hz": 700.0, "removed": 1.2},
        {"side": "test", "low_hz": 4000.0, "high_hz": 6000.0, "removed": -0.15},
    ],
    "counterfactuals": [
        {"change": "half of the speech", "llr": 4.1, "outcome": "unsure"},
        {"change": "at 8 kHz", "llr": 5.9, "outcome": "match"},
    ],
    "acoustics": [
        {
            "name": "f0_median_hz",
            "unit": "Hz",
            "enroll": 117.6,
            "test": 121.3,
            "enroll_percentile": 43.0,
            "test_percentile": 47.0,
            "llr": 0.7,
        }
    ],
    "guesses": [
        {
            "side": "enroll",
            "attribute": "gender",
            "value": "f",
            "probability": 0.93,
            "interval": (0.812, 0.987),
            "accuracy": 0.91,
            "accuracy_interval": (0.84, 0.96),
            "chance": 0.5,
        },
        {
            "side": "test",
            "attribute": "gender",
            "value": None,
            "probability": None,
            "interval": None,
            "accuracy": 0.91,
            "accuracy_interval": (0.84, 0.96),
            "chance": 0.5,
        },
    ],
    "cohort": {
        "num_voices": 200,
        "enroll_nearest": [{"voice": "p231", "score": 0.412}],
        "test_nearest": [{"voice": "p231", "score": 0.398}, {"voice": "p301", "score": 0.371}],
        "overlap": 1,
        "rank_p": 1 / 201,
    },
    "calibration": [[-0.4 + 0.073 * step for step in range(101)], [-5.2 + 0.055 * step for step in range(101)]],
    "sides": [
        side("enroll", 3.3, name="known.wav", quality={"snr_db": 21.4, "clip_ratio": 0.0, "bandwidth_hz": 7890.0}),
        side("test", 2.0, name="call.wav", quality={"snr_db": 9.2, "clip_ratio": 0.004, "bandwidth_hz": 3410.0}),
    ],
    "warnings": ["The second recording is noisy: the speech is 9 dB above the noise."],
}


def realistic(**others):
    return Explanation(**(REALISTIC | others))


class Drawing:
    """Draws the fields of an explanation."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def maybe(self, value):
        return value() if self.random.random() < 0.7 else None

    def several(self, draw, most=3):
        return [draw() for _ in range(self.random.randint(0, most))]

    def evidence(self):
        size = self.random.choice([0.0, 0.004, 0.1, 1.0, 5.0, 12.0, 40.0, 900.0, 1e7])
        return self.random.uniform(-size, size)

    def share(self):
        return self.random.choice([0.0, 1e-12, 0.0004, 0.05, 0.5, 0.99, 1.0]) * self.random.random()

    def side_name(self):
        return self.random.choice(["enroll", "test"])

    def recording(self):
        return self.random.choice([0, 0, 0, 1, 2])

    def times_s(self):
        start_s = self.random.uniform(0, self.random.choice([0.0, 3.0, 60.0, 4000.0]))
        return start_s, start_s + self.random.uniform(0.0, 3.0)

    def name(self):
        return self.random.choice(NAMES) + self.random.choice(["", f" {self.random.randint(0, 99)}"])

    def bar(self):
        return {"part": self.name(), "kind": self.random.choice(KINDS), "llr": self.evidence()}

    def segment(self):
        start_s, end_s = self.times_s()
        ways = self.random.sample(["splice", "mean", "noise"], self.random.randint(0, 3))
        return segment(
            self.side_name(),
            start_s,
            end_s,
            self.maybe(self.evidence),
            self.recording(),
            removed={way: self.evidence() for way in ways},
            shapley=self.maybe(self.evidence),
            gradient=self.maybe(self.evidence),
        )

    def matrix(self):
        enroll, test = self.several(self.times_s), self.several(self.times_s)
        return {
            "enroll": enroll,
            "test": test,
            "enroll_recording": [self.recording() for _ in enroll],
            "test_recording": [self.recording() for _ in test],
            "values": [[self.evidence() for _ in test] for _ in enroll],
            "total": self.evidence(),
            "rest": self.evidence(),
        }

    def band(self):
        low_hz = self.random.uniform(0, 8000)
        return {"side": self.side_name(), "low_hz": low_hz, "high_hz": low_hz + 500, "removed": self.evidence()}

    def counterfactual(self):
        return {"change": self.name(), "llr": self.maybe(self.evidence), "outcome": self.random.choice(OUTCOMES)}

    def attribute(self):
        return {
            "name": self.random.choice([*ATTRIBUTES, "jitter"]),
            "unit": self.random.choice([*(each.unit for each in ATTRIBUTES.values()), "%", ""]),
            "enroll": self.maybe(self.evidence),
            "test": self.maybe(self.evidence),
            "enroll_percentile": self.maybe(lambda: self.random.uniform(0, 100)),
            "test_percentile": self.maybe(lambda: self.random.uniform(0, 100)),
            "llr": self.maybe(self.evidence),
        }

    def guess(self):
        clear = self.random.random() < 0.7
        ends = [tuple(sorted(self.share() for _ in range(2))) for _ in range(2)]
        return {
            "side": self.side_name(),
            "attribute": self.random.choice(get_args(AttributeName)),
            "value": self.name() if clear else None,
            "probability": self.share() if clear else None,
            "interval": ends[0] if clear else None,
            "accuracy": self.share(),
            "accuracy_interval": ends[1],
            "chance": 1 / self.random.randint(2, 20),
        }

    def neighbour(self):
        return {"voice": self.name(), "score": self.evidence()}

    def cohort(self):
        return {
            "num_voices": self.random.choice([0, 1, 200, 12345]),
            "enroll_nearest": self.several(self.neighbour),
            "test_nearest": self.several(self.neighbour),
            "overlap": self.random.randint(0, 3),
            "rank_p": self.share(),
        }

    def quality(self):
        return {
            "speech_s": 1.0,
            "snr_db": self.maybe(lambda: self.random.uniform(-5, 60)),
            "clip_ratio": self.maybe(self.share),
            "rms_dbfs": self.maybe(lambda: self.random.uniform(-100, 0)),
            "dc_offset": self.maybe(lambda: self.random.uniform(-0.01, 0.01)),
            "bandwidth_hz": self.maybe(lambda: self.random.uniform(500, 8000)),
        }

    def side(self):
        speech_s = self.random.choice([0.0, 2.0, 5.0, 4000.0]) * self.random.random()
        return side(
            self.side_name(),
            speech_s,
            self.recording(),
            self.name(),
            quality=self.quality(),
            sha256=self.random.choice(["", "a1", "b2", "c3"]),
            duration_s=self.random.choice([0.0, speech_s, speech_s + 1]),
        )

    def caption(self):
        return {
            "text": self.name(),
            "num_statements": self.random.choice([0, 1, 14]),
            "num_checked": self.random.choice([0, 1, 12]),
            "num_borne_out": self.random.choice([0, 1, 9]),
            "precision": self.share(),
            "baseline": self.share(),
        }

    def calibration(self):
        num = self.random.choice([2, 5, 101])
        return [sorted(self.evidence() for _ in range(num)) for _ in range(2)]

    def ratio(self):
        llr = self.evidence()
        lower, upper = llr - abs(self.evidence()), llr + abs(self.evidence())
        bounds = self.random.choice([None, (llr, llr + 1), (llr - 1, llr), (llr - 2, llr + 2), (0.0, 0.0)])
        return {
            "llr": llr,
            "llr_interval": self.random.choice([None, (lower, upper), (llr, llr), (llr, upper)]),
            "llr_bounds": bounds,
            "verbal": self.random.choice([None, words(llr, ENFSI_2015)]),
            "num_calibration_speakers": self.maybe(lambda: self.random.randint(1, 9999)),
            "calibration": self.maybe(self.calibration),
        }

    def explanation(self):
        unit = self.random.choice(["llr", "llr", "llr", "score"])
        return Explanation(
            model=self.random.choice(["", "5f0c1d9a"]),
            outcome=self.random.choice(OUTCOMES),
            threshold=self.evidence(),
            unit=unit,
            score=self.maybe(self.evidence),
            score_norm=self.maybe(self.evidence),
            prior=self.random.choice([None, 1e-9, 0.01, 0.5, 1 - 1e-12]),
            waterfall=self.several(self.bar),
            segments=self.several(self.segment, 4),
            frames=self.several(lambda: {"side": self.side_name(), "start_s": [0.0, 1.0], "llr": [1.0]}),
            evidence=self.maybe(self.matrix),
            windows=self.maybe(self.matrix),
            completeness_gap=self.maybe(lambda: abs(self.evidence())),
            baseline=self.maybe(self.evidence),
            bands=self.several(self.band),
            counterfactuals=self.several(self.counterfactual),
            acoustics=self.several(self.attribute),
            guesses=self.several(self.guess),
            cohort=self.maybe(self.cohort),
            sides=self.several(self.side, 4),
            caption=self.maybe(self.caption),
            warnings=self.several(lambda: f"A warning of {self.random.randint(0, 99)}: {self.name()}."),
            **(self.ratio() if unit == "llr" and self.random.random() < 0.9 else {}),
        )
