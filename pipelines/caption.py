r"""Teach a model to caption pairs of embeddings, from checked explanations: run -> captioner beside its verifier.

Three examples:
    python pipelines/caption.py run=<run>
    python pipelines/caption.py run=<run> num_pairs=10000 num_steps=3000 seed=1
    python pipelines/caption.py run=<run> output_dir=<folder> compute=debug

Five settings that matter:
    run=<run>            one that was trained and scored; its training speakers are learnt from, all others scored on
    output_dir=<folder>  where runs are, if not in outputs
    num_pairs=<n>        different pairs to learn from, half of them of one speaker
    num_steps=<n>        of the training, 64 pairs each
    seed=<n>             of pairs, weights and steps

Captions are shown by `avis explain --caption` alone, under a label, with what they are worth: they may be false, and
decide nothing. The last line printed is where the captioner is.
"""

from omegaconf import DictConfig

from avis.engine.caption import teach
from avis.engine.config import check_composed
from avis.engine.entry import pipeline
from avis.engine.scored import model_of


@pipeline("caption")
def main(cfg: DictConfig) -> None:
    """Teach it, and say what it is worth."""
    asked = check_composed(cfg)
    folder, captioner = teach(model_of(asked), asked)
    for name, mean in captioner.scores.items():
        interval = f" [{mean.interval[0]:.3f}, {mean.interval[1]:.3f}]" if mean.interval else ""
        print(f"{name}: {mean.value:.3f}{interval}, {mean.num_trials} pairs")
    print(folder, flush=True)


if __name__ == "__main__":
    main()
