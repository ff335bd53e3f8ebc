"""Measure how long it takes to name one of a million people, beside a product of matrices and a plain sort."""

import os
import tempfile
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from avis.checkpoints.checkpoint import Checkpoint
from avis.engine.recipe import Recipe
from avis.scoring.calibration import Calibration
from avis.scoring.cosine import Cosine
from avis.verifier import Gallery, Verifier, Voiceprint
from avis.verifier.folder import EVEN, Parts, hearing_of

PEOPLE, AT_ONCE, REPEATS = 1_000_000, 1 << 16, 20
SPEAKERS, TRIALS = 300, 20_000


def identify(recipe: Recipe, *, num_people: int = PEOPLE) -> None:
    """Enrol random voices, and name recordings of some of them."""
    rng = np.random.default_rng(recipe.seed)
    verifier = _verifier(recipe, rng)
    voices = rng.normal(size=(num_people, verifier.dim)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        gallery, started = Gallery.open(folder, verifier), time.perf_counter()
        for start in range(0, num_people, AT_ONCE):
            some = range(start, min(start + AT_ONCE, num_people))
            gallery.enroll_all({f"person {at}": [_voiceprint(verifier, voices[at])] for at in some}, gates=None)
        enrolled_s = time.perf_counter() - started
        opened, started = Gallery.open(folder, verifier), time.perf_counter()
        opened.identify(_voiceprint(verifier, voices[0]))
        first_s = time.perf_counter() - started
        people = rng.integers(0, num_people, REPEATS)
        probes = [voices[at] + 0.5 * rng.normal(size=verifier.dim).astype(np.float32) for at in people]
        units = voices / np.linalg.norm(voices, axis=1, keepdims=True)

        def named(at: int) -> None:
            found = opened.identify(_voiceprint(verifier, probes[at]))
            assert found.candidates[0].speaker == f"person {people[at]}", "the right one is the likeliest"

        times = {
            "named, of the gallery": _times(named),
            "product of matrices": _times(lambda at: units @ probes[at]),
            "... and sort": _times(lambda at: np.argsort(units @ probes[at])[-5:]),
        }
    print(
        f"{num_people} people [{verifier.dim}], {os.cpu_count()} cores: enrolled in {enrolled_s:.0f} s, first named "
        f"{first_s:.2f} s after opening"
    )
    for name, each in times.items():
        print(f"  {name:<22} {1000 * np.median(each):7.1f} ms (median; {1000 * each[0]:.1f} to {1000 * each[-1]:.1f})")


def _times(work: Callable[[int], object]) -> list[float]:
    """Return seconds of each repeat, sorted."""
    times = []
    for at in range(REPEATS):
        started = time.perf_counter()
        work(at)
        times.append(time.perf_counter() - started)
    return sorted(times)


def _verifier(recipe: Recipe, rng: np.random.Generator) -> Verifier:
    """Return the recipe's model, untrained, with a calibration on made-up scores."""
    model, sharding = recipe.model.build(), recipe.plain["sharding"]
    weights = {f"model.{key}": value for key, value in model.state_dict().items()}
    read = {"state_dict": weights, "recipe": recipe.plain, "speakers": [], "epoch": 0, "global_step": 0}
    speakers = rng.integers(0, SPEAKERS, (TRIALS, 2))
    speakers[::2, 1] = speakers[::2, 0]
    target = speakers[:, 0] == speakers[:, 1]
    calibration = Calibration(p_target=0.05, l2=1e-4, measures=["duration"])
    scores = np.where(target, 0.8, 0.0) + 0.1 * rng.normal(size=TRIALS)
    calibration.fit(scores, np.zeros((TRIALS, 2)), target, speakers)
    return Verifier(
        Parts(
            checkpoint=Checkpoint.of(read, "memory", digest="0" * 64),
            hearing=hearing_of(sharding),
            scoring={},
            backend=Cosine(center=False),
            calibrating={},
            calibration=calibration,
            operating_point=EVEN,
            max_window_s=recipe.max_window_s,
            trained_on="nothing",
            figures={},
        )
    )


def _voiceprint(verifier: Verifier, embedding: NDArray[np.float32]) -> Voiceprint:
    told = {"speech_s": 5.0, "quality": {}, "unheard": None, "sha256": ""}
    return Voiceprint(embedding=embedding, model=verifier.digest, **told)  # type: ignore[arg-type]
