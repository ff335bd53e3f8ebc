r"""Score trials with a trained model: checkpoint, trial list, audio -> scores table, metrics, report.

python pipelines/score.py checkpoint=<run>/checkpoints/best.ckpt trials=<list> corpus=folder corpus.root=<folder> \
        corpus.split=test

Features, back-end, corpus and how it is prepared are the checkpoint's own where nothing else is given: for recordings
with long pauses, sharding.vad=energy sharding.trim=all. What is the checkpoint's own is left out by ``none``:
calibration=none operating_point=none enrolments=none sharding.vad=none.
"""

import hydra
from omegaconf import DictConfig

from avis import location
from avis.checkpoints.checkpoint import Checkpoint
from avis.digest import fingerprint
from avis.engine.config import check_composed, fill
from avis.engine.prepare import prepare
from avis.engine.recipe import ScoreRecipe
from avis.engine.score import origin, score, show_decisions
from avis.evaluation.evaluate import evaluate, show, with_answers


@hydra.main(config_path="../configs", config_name="score", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Prepare the audio, score the trials and evaluate the scores."""
    asked = check_composed(cfg)
    checkpoint = Checkpoint.open(location.absolute(asked["checkpoint"]))
    recipe = ScoreRecipe.of(fill(asked, checkpoint.recipe))
    made_with_it = location.join(recipe.output_dir, "scored", checkpoint.digest[:12])
    utterances = prepare(recipe)
    scores = score(recipe, checkpoint, utterances, made_with_it)
    show_decisions(scores, recipe.operating_point)
    if answered := with_answers(scores):
        out = location.join(made_with_it, "evaluated", fingerprint(sorted(answered.values())))
        show(evaluate(answered, out, facts=origin(recipe, checkpoint, utterances), evaluation=recipe.evaluation))


if __name__ == "__main__":
    main()
