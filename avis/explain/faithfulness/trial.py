"""All orders of one trial: by what its explanation says, by what needs none, and the best."""

from collections.abc import Sequence

from avis.explain.faithfulness.ceiling import best_order
from avis.explain.faithfulness.orders import Direction, orders
from avis.explain.faithfulness.priorities import by_baselines, by_routes, own_embeddings
from avis.explain.judge import Judge
from avis.explain.record import Matrix, Order, Segment
from avis.explain.side import Side
from avis.verifier.embedder import Embedder


def orders_of_trial(
    embedder: Embedder,
    judge: Judge,
    test: Side,
    *,
    segments: Sequence[Segment],
    windows: Matrix | None,
    threshold: float,
) -> list[Order]:
    """Return how the evidence for a trial's decision goes along each order of its test's segments.

    Each segment is embedded once. Routes that the explanation has not taken are left out.

    Parameters
    ----------
    embedder : Embedder
    judge : Judge
    test : Side
        Whose segments are taken away and given back.
    segments, windows
        Of the explanation: see `avis.explain.record.Explanation`.
    threshold : float
        From which evidence on, a score where nothing is calibrated, it is counted for one speaker, be it sure or not.

    Returns
    -------
    list of Order
        Empty where the test is not at hand as audio, or is a single segment.
    """
    toward: Direction = 1 if judge.as_it_was() >= threshold else -1
    if not test.heard:
        return []
    embeddings = own_embeddings(embedder, test)
    priorities = by_routes(segments, windows, toward=toward) | by_baselines(embedder, test)
    best = best_order(judge, embeddings, toward=toward)
    return [*orders(judge, embeddings, priorities, toward=toward), *([best] if best else [])]
