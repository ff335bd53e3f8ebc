r"""Score trials with a trained model: checkpoint, trial list, audio -> scores table, metrics, report.

Three examples, the last for recordings with long pauses:
    python pipelines/score.py checkpoint=<run>/checkpoints/best.ckpt trials=<list> corpus=folder corpus.root=<folder> \
        corpus.split=test
    python pipelines/score.py checkpoint=<run>/checkpoints/best.ckpt calibration=linear \
        'operating_point={p_target:0.1,c_miss:1,c_fa:1}'
    python pipelines/score.py checkpoint=<run>/checkpoints/best.ckpt sharding.vad=energy sharding.trim=all

Five settings that matter:
    checkpoint=<path>        a run's checkpoints/best.ckpt, or an imported one
    trials=<list>            VoxCeleb's, Kaldi's, NIST's or CN-Celeb's lines, CSV or Parquet; or pairing=<choice>
    corpus=<choice>          layout of the recordings
    scoring=<choice>         back-end: cosine, cosine_as_norm, plda, ...
    calibration=<choice>     linear or qmf: scores also as likelihood ratios

Features, back-end, corpus and how it is prepared are the checkpoint's own where nothing else is given. What is the
checkpoint's own is left out by none: calibration=none operating_point=none enrolments=none sharding.vad=none.
"""

from omegaconf import DictConfig

from avis import location
from avis.checkpoints.checkpoint import Checkpoint
from avis.digest import fingerprint
from avis.engine.config import check_composed, fill
from avis.engine.entry import pipeline
from avis.engine.prepare import prepare
from avis.engine.recipe import ScoreRecipe
from avis.engine.score import origin, score, show_decisions
from avis.evaluation.best_names import show_best_names
from avis.evaluation.evaluate import evaluate, show, with_answers


@pipeline("score")
def main(cfg: DictConfig) -> None:
    """Prepare the audio, score the trials and evaluate the scores."""
    asked = check_composed(cfg)
    checkpoint = Checkpoint.open(location.absolute(asked["checkpoint"]))
    recipe = ScoreRecipe.of(fill(asked, checkpoint.recipe))
    checkpoint.build_model()  # what cannot be used is found before any audio is prepared
    made_with_it = location.join(recipe.output_dir, "scored", checkpoint.digest[:12])
    utterances = prepare(recipe, seen=checkpoint.lineage.before.speakers)
    scores = score(recipe, checkpoint, utterances, made_with_it)
    show_decisions(scores, recipe.operating_point)
    answered = with_answers(scores)
    unanswered = {name: uri for name, uri in scores.items() if name not in answered}
    show_best_names(unanswered, made_with_it, recipe.evaluation)
    if answered:
        out = location.join(made_with_it, "evaluated", fingerprint(sorted(answered.values())))
        show(evaluate(answered, out, facts=origin(recipe, checkpoint, utterances), evaluation=recipe.evaluation))


if __name__ == "__main__":
    main()
