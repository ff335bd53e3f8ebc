r"""The main job: corpora in, equal error rate out.

    corpora --prepare--> utterances --train--> checkpoint --score--> scores --evaluate--> metrics, report

Three examples, the first with an embedded synthetic corpus, the last to go on with a run that was cut off:
    python pipelines/train.py
    python pipelines/train.py corpus=folder_train_test corpus.train_root=<folder> corpus.test_root=<folder> \
        trials=<list>
    python pipelines/train.py resume=<run>

Five settings that matter:
    corpus=<choice>          layout of the recordings: voxceleb, cn_celeb, folder_train_test, kaldi, manifest, ...
    experiment=<choice>      a whole recipe by one word, such as voxceleb_resnet34
    model=<choice>           ecapa_512, resnet34, campplus, ...; features, augment, loss and scoring are chosen alike
    trainer.num_epochs=<n>   how long; trainer.batch_size is that of all workers together
    compute=<choice>         local, cluster (by ray job submit --working-dir . -- python pipelines/train.py ...), debug
"""

from omegaconf import DictConfig

from avis.checkpoints.run_checkpoints import find_ancestors
from avis.engine.entry import pipeline
from avis.engine.prepare import prepare
from avis.engine.rehearse import rehearse
from avis.engine.runs import open_run, save_run, started_on
from avis.engine.score import check_trials, origin, score, show_decisions
from avis.engine.train import checkpoint_choice, train
from avis.engine.verifier import leave_verifier
from avis.engine.watching import report_training
from avis.engine.workers.ray_log import MESSAGES
from avis.evaluation.evaluate import evaluate, show, with_answers


@pipeline("train")
def main(cfg: DictConfig) -> None:
    """Compose the run and take it through the stages."""
    with open_run(cfg) as (run_dir, recipe):
        MESSAGES.move_below(run_dir)
        recipe = recipe.placed()
        if not cfg.resume:
            rehearse(recipe)  # what does not go together fails here, not after hours of preparing
        ancestors = find_ancestors(recipe.plain, run_dir)  # whom they know is neither held out nor tested
        seen = ancestors.speakers
        utterances = started_on(recipe) or prepare(recipe, seen=seen)  # Ray Data decodes, checks and shards to Parquet
        check_trials(recipe, utterances, ancestors)
        save_run(run_dir, recipe, utterances)
        checkpoint = train(recipe, utterances, run_dir)  # tasks feed Ray Train + Lightning DDP with examples
        choice = checkpoint_choice(recipe, utterances)
        print(f"checkpoint: {choice}", flush=True)
        scores = score(recipe, checkpoint, utterances, run_dir)  # Ray actors embed; trials are scored in parallel
        show_decisions(scores, recipe.operating_point)
        evaluated = None
        if answered := with_answers(scores):
            facts = {"run": run_dir, "choice of checkpoint": choice, **origin(recipe, checkpoint, utterances)}
            evaluated = evaluate(answered, run_dir, facts=facts, evaluation=recipe.evaluation)
        verifier = leave_verifier(recipe, checkpoint, utterances, run_dir)  # for who has two recordings and a question
        if evaluated:
            show(evaluated)
        print(f"verifier: {verifier}")
        print(f"training: {report_training(recipe, run_dir, history=checkpoint.history, choice=choice)}", flush=True)


if __name__ == "__main__":
    main()
