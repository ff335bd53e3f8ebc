"""What the windows' matrix costs: the error rate of the scorer that it is exact for, beside that of the real one.

See `avis.explain.windows`. Several windows of a recording are heard apart, and their embeddings averaged.
"""

import numpy as np
from numpy.typing import NDArray

from avis.explain.heard import Heard
from avis.explain.record import Record
from avis.explain.windows import window_edges
from avis.metrics.bootstrap import Resampling, paired_difference, speaker_intervals
from avis.metrics.eer import equal_error_rate
from avis.metrics.figures import EER, FigureSet
from avis.metrics.trials import Trials
from avis.verifier.embedder import Embedder
from avis.verifier.side_by_side import side_by_side


class WindowsError(Record):
    """Equal error rates as fractions, with intervals over speakers.

    Attributes
    ----------
    eer, windows_eer : float
        Of the scorer that decides, and of that of windows.
    eer_interval, windows_eer_interval, difference_interval : (float, float) or None
        None where no draw of speakers holds both kinds of trial; the last of the windows' rate less the other, from the
        same draws.
    num_trials : int
    """

    eer: float
    eer_interval: tuple[float, float] | None
    windows_eer: float
    windows_eer_interval: tuple[float, float] | None
    difference_interval: tuple[float, float] | None
    num_trials: int


def as_words(error: WindowsError) -> str:
    """Say how much the scorer of windows errs beside that of the ratio."""
    windows = f"{100 * error.windows_eer:.2f} %{_within(error.windows_eer_interval, '.2f')}"
    whole = f"{100 * error.eer:.2f} %{_within(error.eer_interval, '.2f')}"
    more = f"{100 * (error.windows_eer - error.eer):+.2f} points{_within(error.difference_interval, '+.2f')}"
    return f"Over {error.num_trials:,} trials its equal error rate is {windows}, that of the ratio's {whole}: {more}."


def _within(interval: tuple[float, float] | None, form: str) -> str:
    return f" [{100 * interval[0]:{form}}, {100 * interval[1]:{form}}]" if interval else ""


def mean_of_windows(embedder: Embedder, heard: Heard) -> NDArray[np.float64]:
    """Return the mean embedding ``[dim]`` of the windows that the windows' matrix has of a recording."""
    edges = window_edges(len(heard.values), sample_rate=heard.sample_rate)
    of_windows = side_by_side(embedder.embedding_of, [heard.values[start:end] for start, end in edges])
    return np.mean(list(of_windows), axis=0, dtype=np.float64)


def windows_error(trials: Trials, of_windows: NDArray[np.floating], resampling: Resampling) -> WindowsError:
    """Compare the scores ``[trials]`` of windows with those that decide.

    Parameters
    ----------
    trials : Trials
        With speakers, and the scores that decide.
    of_windows : float [trials]
    resampling : Resampling
        How speakers are drawn.

    Raises
    ------
    ValueError
        See `avis.metrics.bootstrap.paired_difference`.
    """
    both = trials, trials._replace(scores=of_windows)
    intervals = [speaker_intervals(each, resampling, figure_set=FigureSet()).figures.get(EER) for each in both]
    difference = paired_difference(both[1], both[0], resampling, figure_set=FigureSet()).figures[EER]
    rates = [equal_error_rate(each.scores, each.target)[0] for each in both]
    return WindowsError(
        eer=rates[0],
        eer_interval=intervals[0],
        windows_eer=rates[1],
        windows_eer_interval=intervals[1],
        difference_interval=difference.interval,
        num_trials=len(of_windows),
    )
