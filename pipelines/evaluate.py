"""Error rates, plots and a report of scores: scores -> metrics.json, PNGs, report.html.

Three examples; scores are a table of AVIS, or Parquet, CSV or lines as WeSpeaker, SpeechBrain, Kaldi and NIST have:
    python pipelines/evaluate.py scores=<path>
    python pipelines/evaluate.py scores=<path> baseline=<path>
    python pipelines/evaluate.py scores=[<path>,<path>] development=[<path>,<path>]

Five settings that matter:
    scores=<path>                        several, in brackets, are fused
    trials=<list>                        has the answers, where the scores do not
    development=[<path>,...]             their scores of a list of other speakers, on which the fusion is fitted
    baseline=<path>                      scores of another system on the same trials: is the difference real?
    evaluation.subgroups=[<column>,...]  all figures by gender, duration or another column of the trials
"""

from typing import Any

from omegaconf import DictConfig

from avis import location
from avis.checkpoints.components import build
from avis.engine.config import resolve
from avis.engine.entry import pipeline
from avis.evaluation.answers import join_answers
from avis.evaluation.evaluate import evaluate, show, with_answers
from avis.evaluation.fuse import fuse, system_names
from avis.evaluation.list_report import read_origin

MOST_LETTERS = 200
"""In the name of a fusion's folder; file systems allow little more."""


@pipeline("evaluate")
def main(cfg: DictConfig) -> None:
    """Evaluate one set of scores."""
    settings = resolve(cfg)
    evaluation = build(settings["evaluation"])
    scores, development = (_paths(settings[key]) for key in ("scores", "development"))
    name = "_and_".join(system_names(scores))[:MOST_LETTERS]
    out = location.join(location.absolute(settings["output_dir"]), "evaluated", name)
    scores = _answered(scores, settings["trials"], out)
    development = _answered(development, settings["development_trials"], out)
    baseline = settings["baseline"] and location.absolute(settings["baseline"])
    facts = read_origin(scores[0]) | ({"baseline": baseline} if baseline else {})
    lists = {name: scores[0]}
    if development or len(scores) > 1:
        if baseline:
            raise ValueError(
                f"baseline of a fusion: got baseline={baseline} beside development scores, expected one or the other, "
                "since fused scores are compared with the best single system. At baseline. Leave it out, and compare "
                "the fused scores table that this writes."
            )
        fused, baseline = fuse(scores, development, out, fusion=build(settings["fusion"]))
        facts = read_origin(fused) | ({"baseline, the best single system": baseline} if baseline else {})
        lists = with_answers({name: fused})
    if lists:
        show(evaluate(lists, out, facts=facts, evaluation=evaluation, baseline=baseline))


def _paths(value: Any) -> list[str]:
    """Return one path or several as a list, absolute."""
    return [location.absolute(str(path)) for path in (value if isinstance(value, list) else [value] if value else [])]


def _answered(scores: list[str], trials: str | None, out: str) -> list[str]:
    """Return scores with the answers of a list, where one is given."""
    if not trials or not scores:
        return scores
    places = [location.join(out, "scores", name) for name in system_names(scores)]
    return [join_answers(uri, location.absolute(trials), at) for uri, at in zip(scores, places, strict=True)]


if __name__ == "__main__":
    main()
