r"""Score trials with a trained model: checkpoint, trial list, audio -> scores table, metrics, report.

python pipelines/score.py checkpoint=<run>/checkpoints/best.ckpt trials=<list> corpus=folder corpus.root=<folder> \
        corpus.split=test

Features, back-end, corpus and how it is prepared are the checkpoint's own where nothing else is given: for recordings
with long pauses, sharding.vad=energy sharding.trim=all. What is the checkpoint's own is left out by ``none``:
calibration=none operating_point=none enrolments=none sharding.vad=none.
"""

from typing import Any

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig

from avis import location
from avis.checkpoints.run_checkpoints import read_checkpoint
from avis.digest import fingerprint
from avis.engine.config import filled, resolve
from avis.engine.prepare import prepare
from avis.engine.score import score, show_decisions, with_answers
from avis.engine.trials.embeddings import checkpoint_digest
from avis.evaluation.evaluate import evaluate, show
from avis.evaluation.list_report import origin


def _with_own(given: dict[str, Any]) -> dict[str, Any]:
    return filled(given, read_checkpoint(location.absolute(given["checkpoint"]))["recipe"])


@hydra.main(config_path="../configs", config_name="score", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Prepare the audio, score the trials and evaluate the scores."""
    recipe = resolve(cfg, fill=_with_own)
    checkpoint = location.absolute(recipe["checkpoint"])
    made_with_it = location.join(location.absolute(recipe["output_dir"]), "scored", checkpoint_digest(checkpoint)[:12])
    evaluation = instantiate(recipe["evaluation"])
    utterances = prepare(recipe)
    scores = score(recipe, checkpoint, utterances, made_with_it)
    show_decisions(scores, recipe)
    if answered := with_answers(scores):
        out = location.join(made_with_it, "evaluated", fingerprint(sorted(answered.values())))
        show(evaluate(answered, out, facts=origin(recipe, checkpoint, utterances), evaluation=evaluation))


if __name__ == "__main__":
    main()
