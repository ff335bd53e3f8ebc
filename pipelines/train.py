r"""The main job: corpora in, equal error rate out.

    corpora --prepare--> utterances --train--> checkpoint --score--> scores --evaluate--> metrics, report

Run it with no arguments for an embedded synthetic corpus:

    python pipelines/train.py
    python pipelines/train.py corpus=folder_train_test corpus.train_root=<folder> corpus.test_root=<folder> \
        trials=<list>
    python pipelines/train.py resume=<run>
    ray job submit --working-dir . -- python pipelines/train.py compute=cluster output_dir=<shared folder>
"""

import hydra
from omegaconf import DictConfig

from avis.engine.prepare import prepare
from avis.engine.rehearse import rehearse
from avis.engine.runs import open_run, save_run
from avis.engine.score import check_trials, origin, score, show_decisions
from avis.engine.train import checkpoint_choice, train
from avis.evaluation.evaluate import evaluate, show, with_answers


@hydra.main(config_path="../configs", config_name="train", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Compose the run and take it through the stages."""
    run_dir, recipe = open_run(cfg)
    if not cfg.resume:
        rehearse(recipe)  # what does not go together fails here, not after hours of preparing
    utterances = prepare(recipe)  # Ray Data decodes, checks and shards to Parquet
    check_trials(recipe, utterances)
    save_run(run_dir, recipe, utterances)
    checkpoint = train(recipe, utterances, run_dir)  # Ray Data streams features into Ray Train + Lightning DDP
    choice = checkpoint_choice(recipe, utterances)
    print(f"checkpoint: {choice}", flush=True)
    scores = score(recipe, checkpoint, utterances, run_dir)  # Ray actors embed; trials are scored in parallel
    show_decisions(scores, recipe.operating_point)
    if answered := with_answers(scores):
        facts = {"run": run_dir, "choice of checkpoint": choice, **origin(recipe, checkpoint, utterances)}
        show(evaluate(answered, run_dir, facts=facts, evaluation=recipe.evaluation))


if __name__ == "__main__":
    main()
