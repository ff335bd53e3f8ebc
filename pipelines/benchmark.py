"""Measure a part of AVIS, each figure beside what it is to be compared with, in one run.

    python pipelines/benchmark.py ingest    # samples/s of each placement, from memory, and in a plain PyTorch loop
    python pipelines/benchmark.py feed      # examples/s that reach trainers which do nothing, beside one process's own
    python pipelines/benchmark.py step      # examples/s of training steps: 32 and 16 bit, threads, compiled, ...
    python pipelines/benchmark.py plain     # the whole training as a plain single-process loop, then scored
    python pipelines/benchmark.py embed     # seconds of audio per second: read in turn, read ahead, the model by itself
    python pipelines/benchmark.py scoring   # 10 million trials with AS-norm: trials/s, memory; and loops over pairs
    python pipelines/benchmark.py identify  # one of a million people named, beside a product of matrices and a sort
    python pipelines/benchmark.py metrics   # all figures of ten million scores against two plain sorts of them, and
                                            # a list longer than memory, of 100 million trials
    python pipelines/benchmark.py augment augment=every   # what each transform takes, in ms per second of audio
    python pipelines/benchmark.py features  # Kaldi mels of a second of audio on one core, ours and torchaudio's
    python pipelines/benchmark.py prepare   # audio hours per core hour beside a plain loop; two workers beside one
    python pipelines/benchmark.py verify    # files/s of a verifier beside SpeechBrain, of one network
    python pipelines/benchmark.py explain experiment=mini_speech start_from=<run>/verifier   # are reasons the reasons?
    python pipelines/benchmark.py serve experiment=mini_speech start_from=<run>/verifier   # verdicts/s under load
    python pipelines/benchmark.py growth    # memory of workers and driver for 10 and 1,000 times as many files
    python pipelines/benchmark.py models    # parameters, and operations per second of audio, of every model choice
    python pipelines/benchmark.py families experiment=mini_speech   # every small model trained alike: EER and pace
    python pipelines/benchmark.py scale model=ecapa_512   # simulated: VoxCeleb2, and 100 times as much, on 8 to 64 GPUs

All take the settings of pipelines/train.py: python pipelines/benchmark.py ingest experiment=mini_speech
"""

import sys
from collections.abc import Callable

from omegaconf import DictConfig

from avis.engine.config import resolve
from avis.engine.entry import pipeline
from avis.engine.recipe import Recipe
from avis.starting import as_started
from pipelines.benchmarks.embedding import embedding
from pipelines.benchmarks.evaluation import metrics
from pipelines.benchmarks.examples import augment, features
from pipelines.benchmarks.explaining import explaining
from pipelines.benchmarks.feeding import feed
from pipelines.benchmarks.growth import growth
from pipelines.benchmarks.identifying import identify
from pipelines.benchmarks.models import families, models
from pipelines.benchmarks.preparing import preparing
from pipelines.benchmarks.scale import scale
from pipelines.benchmarks.scoring import scoring
from pipelines.benchmarks.serving import service
from pipelines.benchmarks.steps import step
from pipelines.benchmarks.training import ingest, plain
from pipelines.benchmarks.verifying import verifying

MEASUREMENTS: dict[str, Callable[[Recipe], None]] = {
    "ingest": ingest,
    "feed": feed,
    "step": step,
    "plain": plain,
    "embed": embedding,
    "scoring": scoring,
    "identify": identify,
    "explain": explaining,
    "metrics": metrics,
    "features": features,
    "augment": augment,
    "prepare": preparing,
    "verify": verifying,
    "serve": service,
    "growth": growth,
    "models": models,
    "families": families,
    "scale": scale,
}


@pipeline("train")
def main(cfg: DictConfig) -> None:
    """Run the measurement named first on the command line."""
    measure(Recipe.of(resolve(cfg)))


if __name__ == "__main__":
    if sys.argv[1:2] != ["--help"]:
        if len(sys.argv) < 2 or sys.argv[1] not in MEASUREMENTS:
            missing = f"measurement missing: got {sys.argv[1:2]}, expected one of {', '.join(MEASUREMENTS)}."
            sys.exit(f"{missing}\n{as_started(str(__doc__))}")
        measure = MEASUREMENTS[sys.argv.pop(1)]
    main()
