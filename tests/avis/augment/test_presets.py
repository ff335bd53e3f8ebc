"""The choices named after recipes: what share of the examples gets what, counted over examples."""

from collections import Counter

import numpy as np
import pytest
from hydra.utils import instantiate

from tests.compositions import composed

NUM = 3000
SHARES = {
    "wespeaker": {"": 0.4, "Reverb": 0.3, "Noise/noise": 0.138, "Noise/music": 0.098, "Noise/speech": 0.064},
    "wespeaker_two_thirds": {
        "": 0.333,
        "Reverb": 0.3335,
        "Noise/noise": 0.1538,
        "Noise/music": 0.1092,
        "Noise/speech": 0.0705,
    },
    "voxceleb_trainer": dict.fromkeys(["", "Reverb", "Noise/music", "Babble", "Noise/noise"], 0.2),
    "three_d_speaker": {"": 0.2, "Noise/noise": 0.8 / 3, "Reverb": 0.8 / 3, "Reverb+Noise/noise": 0.8 / 3},
    "three_d_speaker_campplus": {"": 0.8, "Noise/noise": 0.2 / 3, "Reverb": 0.2 / 3, "Reverb+Noise/noise": 0.2 / 3},
    "speechbrain": dict.fromkeys(["", "Reverb", "Noise/noise", "DropFreq", "DropChunk"], 0.2),
}


def kind(transform):
    name = type(transform).__name__
    return f"{name}/{transform.bank}" if name == "Noise" else name


@pytest.mark.few(3)
@pytest.mark.parametrize("preset", SHARES)
def test_shares(preset):
    chain = composed("train", f"augment={preset}").augment.chain
    (step,) = instantiate(chain).steps
    picked = ([step.transforms[place] for place in step.pick(np.random.default_rng(seed))] for seed in range(NUM))
    counts = Counter("+".join(map(kind, transforms)) for transforms in picked)
    assert counts.keys() == SHARES[preset].keys()
    for name, share in SHARES[preset].items():
        assert counts[name] / NUM == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / NUM)), name
