r"""Explain trials, the worst of each list or all: run -> records, a page for each trial, an index, links in the report.

Three examples, the last of other trials than the run's own:
    python pipelines/explain.py run=<run>
    python pipelines/explain.py run=<run> worst=200 checks=false preset=researcher
    python pipelines/explain.py run=<run> trials=<list> corpus=folder corpus.root=<folder> corpus.split=test

Five settings that matter:
    run=<run>            one that was trained and scored; or checkpoint=<path>, as pipelines/score.py takes it
    worst=<n>            of each list, the non-targets that score highest and the targets that score lowest; null: all
    checks=<bool>        false: only what is exact, in a fraction of the time
    preset=<name>        engineer, researcher or examiner: for whom pages are
    trials=<list>        others than the run's own, scored first as pipelines/score.py does

What is done is not done again, and what was cut off goes on. The last line printed is where the index of the pages is.
"""

from omegaconf import DictConfig

from avis.engine.config import check_composed
from avis.engine.entry import pipeline
from avis.engine.explain import (
    OVERRIDES,
    Explaining,
    calibrated_verifier,
    check_verifier,
    chosen_trials,
    explain_list,
)
from avis.engine.explanation_pages import write_pages
from avis.engine.scored import model_of, scored
from avis.engine.windows_error import windows_error_of
from avis.evaluation.evaluate import evaluate


@pipeline("explain")
def main(cfg: DictConfig) -> None:
    """Explain trials of every list, and let the report on them lead to their pages."""
    asked = check_composed(cfg)
    explaining, model = Explaining.of(asked), model_of(asked)
    verifier = calibrated_verifier(model)
    found = scored(model, asked, beside=OVERRIDES)
    check_verifier(verifier, found)
    pages = []
    for name, rows in chosen_trials(found, worst=explaining.worst).items():
        records = explain_list(name, rows, found, verifier, explaining)
        errs = windows_error_of(name, found, verifier) if explaining.checks else None
        pages.append(f"{name}: {write_pages(name, rows, records, found, explaining, windows_error=errs)}")
    if found.answered:
        report = evaluate(found.answered, found.evaluated, facts=found.facts, evaluation=found.recipe.evaluation)
        print(f"report:  {report.report_path}")
    print("\n".join(pages), flush=True)


if __name__ == "__main__":
    main()
