"""Compare evaluated runs with the first of them: runs -> compare.html.

Three examples; a run is a name in <output_dir>/runs, or a folder with a metrics.json:
    python pipelines/compare.py runs=[<run>,<run>]
    python pipelines/compare.py runs=[<run>,<run>,<run>] evaluation.subgroups=[gender]
    python pipelines/compare.py runs=[<folder>,<folder>] output_dir=<folder>

Five settings that matter:
    runs=[<run>,<run>,...]               the first is what the others are compared with
    evaluation.subgroups=[<column>,...]  figures by gender, duration or another column of the trials
    evaluation.bootstrap_draws=<n>       draws of speakers behind the intervals
    evaluation.confidence=<x>            of the intervals
    output_dir=<folder>                  where the runs are, and where the page goes

The last line printed is where the page is.
"""

from omegaconf import DictConfig

from avis import location
from avis.checkpoints.components import build
from avis.engine.config import resolve
from avis.engine.entry import pipeline
from avis.evaluation.compare import compare


@pipeline("compare")
def main(cfg: DictConfig) -> None:
    """Compare runs."""
    settings = resolve(cfg)
    if not isinstance(settings["runs"], list):
        raise ValueError(
            f"a comparison needs several runs: got runs={settings['runs']}, expected a list. At runs. "
            "Give runs=[<run>,<run>,...]."
        )
    runs = [str(run) for run in settings["runs"]]
    print(compare(runs, location.absolute(settings["output_dir"]), evaluation=build(settings["evaluation"])))


if __name__ == "__main__":
    main()
