"""How far what was fitted on trials would have come out otherwise with other speakers."""

import numpy as np
from numpy.typing import NDArray


def speaker_covariance(
    slopes: NDArray[np.floating], curvature: NDArray[np.floating], speakers: NDArray[np.integer] | None
) -> NDArray[np.float64]:
    """Return the covariance of weights that minimise a loss over trials, which share speakers: the sandwich estimate.

    A trial counts with both of its speakers, so that trials of one speaker may go together in any way; those of two
    speakers are counted with each, which errs to the safe side.

    Parameters
    ----------
    slopes : float [trials, weights]
        The gradient of each trial's share of the loss, at the minimum.
    curvature : float [weights, weights]
        Second derivatives of the loss there.
    speakers : int [trials, 2] or None
        Numbers of the speakers of both sides; None if every trial has speakers of its own.

    Returns
    -------
    float64 [weights, weights]
        Of as many degrees of freedom as there are speakers, less one.

    References
    ----------
    Aronow, Samii and Assenova, "Cluster-Robust Variance Estimation for Dyadic Data", Political Analysis 23, 2015.

    Examples
    --------
    The mean of four values, each its own speaker's, minimises half the squared distance; its variance is theirs by 4:

    >>> values = np.array([1.0, 2.0, 3.0, 6.0])
    >>> slopes = (values.mean() - values)[:, None] / 4
    >>> speaker_covariance(slopes, np.eye(1), None).round(6).tolist() == [[(values.var(ddof=1) / 4).round(6)]]
    True
    """
    per_speaker = slopes
    if speakers is not None:
        names, sides = np.unique(speakers, return_inverse=True)
        enroll, test = sides.reshape(speakers.shape).T
        per_speaker = np.zeros((len(names), slopes.shape[1]))
        np.add.at(per_speaker, enroll, slopes)
        np.add.at(per_speaker, test[enroll != test], slopes[enroll != test])
    num = len(per_speaker)
    meat = per_speaker.T @ per_speaker * num / max(1, num - 1)
    bread = np.linalg.inv(curvature)
    return np.asarray(bread @ meat @ bread, np.float64)
