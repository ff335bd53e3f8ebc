"""One HTML page about a training, with nothing outside the file: curves, the choice, the pace, what befell it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from avis.reports.html import Picture, data_uri, render
from avis.reports.learning_cautions import learning_cautions
from avis.reports.wording import percent

PICTURES = {
    "loss": ("Loss", "Of the training steps. It may rise while a margin grows; what counts is the error rate below."),
    "eer": (
        "Equal error rate of held-out speakers",
        "All pairs of utterances of training speakers that are not trained on, by cosine, after each epoch.",
    ),
    "accuracy": ("Accuracy", "Share of the loss's decisions among training speakers that were right."),
    "learning_rate": ("Learning rate", "Of the first group of weights."),
    "pace": ("Pace", "Training examples per second on all workers, within each epoch so far."),
    "waiting": (
        "Waiting",
        "Share of the time in which the first worker waited for examples, within each epoch so far.",
    ),
}
"""Curves that the page shows, in this order: heading and reading aid."""

CLOSE = 0.1
"""Epochs whose error rate is within so much of the best one's, as a share of it, are close to it."""
RISEN = 0.25
"""Share of the lowest error rate by which the last one lies above it where a training has gone on too long."""


class Epoch(NamedTuple):
    """One epoch: means of its steps, the error rate after it, its pace; None where that was not kept."""

    loss: float
    accuracy: float
    eer: float
    utterances: float
    samples_per_s: float | None = None
    waiting_share: float | None = None
    memory_gib: float | None = None
    gpu_memory_gib: float | None = None
    gpu_use: float | None = None
    short: str = ""


class Happening(NamedTuple):
    """Something that befell the run: when (in words), what, after how much of the training, and what it cost."""

    when: str
    what: str
    where: str
    cost: str


class TrainingReport(NamedTuple):
    """A whole page.

    Attributes
    ----------
    title : str
    epochs : sequence of Epoch
    num_epochs : int
        Epochs that were planned.
    averaged : int
        Last epochs that the checkpoint is the average of; 0 where it is the best epoch.
    choice : str
        By what the checkpoint was chosen.
    training_s : float or None
        Seconds that the steps took, those that were repeated left out.
    happenings : sequence of Happening
    repeated_steps : int
        Of all breaks together.
    pictures : mapping of str to bytes
        PNG files by kind, a key of `PICTURES`.
    facts : mapping of str to str
    evaluation : str or None
        The page on the evaluation, if there is one.
    """

    title: str
    epochs: Sequence[Epoch]
    num_epochs: int
    averaged: int
    choice: str
    training_s: float | None
    happenings: Sequence[Happening]
    repeated_steps: int
    pictures: Mapping[str, bytes]
    facts: Mapping[str, str]
    evaluation: str | None

    @property
    def best(self) -> int | None:
        """The number of the first epoch with the lowest error rate, from 0."""
        return min(range(len(self.epochs)), key=lambda number: self.epochs[number].eer, default=None)


def training_page(report: TrainingReport) -> str:
    """Return a self-contained page; everything in it that did not come from a template is escaped."""
    return render(
        "training.html.j2",
        title=report.title,
        headlines=_headlines(report),
        cautions=training_cautions(report),
        reading=_reading(report),
        pictures=[
            Picture(*PICTURES[kind], uri=data_uri(report.pictures[kind]))
            for kind in PICTURES
            if kind in report.pictures
        ],
        epochs=[_row(number, epoch, number == report.best) for number, epoch in enumerate(report.epochs)],
        has_memory=any(epoch.memory_gib is not None for epoch in report.epochs),
        has_gpu=any(epoch.gpu_memory_gib is not None for epoch in report.epochs),
        shortages={number: epoch.short for number, epoch in enumerate(report.epochs, start=1) if epoch.short},
        happenings=report.happenings,
        facts=report.facts,
        evaluation=report.evaluation,
    )


def _headlines(report: TrainingReport) -> list[tuple[str, str, str]]:
    """Return name, figure and remark of each headline."""
    rows = [("Epochs", f"{len(report.epochs)} of {report.num_epochs}", "each ends with a validation")]
    if report.best is not None:
        kept = "of the held-out speakers, lowest of all epochs"
        rows.insert(
            0, ("Equal error rate", percent(report.epochs[report.best].eer), f"{kept}: epoch {report.best + 1}")
        )
    if report.training_s is not None:
        rows.append(("Training time", duration(report.training_s), "without validations and repeated steps"))
    paces = [epoch.samples_per_s for epoch in report.epochs if epoch.samples_per_s]
    if paces:
        rows.append(("Examples per second", f"{sorted(paces)[len(paces) // 2]:,.0f}", "median of the epochs"))
    waits = [epoch.waiting_share for epoch in report.epochs if epoch.waiting_share is not None]
    if waits:
        rows.append(("Waiting for data", f"{100 * sum(waits) / len(waits):.0f} %", "of the time, mean of the epochs"))
    breaks = len([happening for happening in report.happenings if happening.cost])
    rows.append(("Breaks", f"{breaks}", f"{report.repeated_steps:,} steps repeated" if breaks else "none"))
    return rows


def _reading(report: TrainingReport) -> list[str]:
    if report.best is None:
        return ["No epoch was finished, so that there is nothing to choose from."]
    if report.averaged:
        return [f"The checkpoint is {report.choice}. The error rates of held-out speakers are for reading only."]
    rates = [epoch.eer for epoch in report.epochs]
    lowest = rates[report.best]
    sentences = [f"Epoch {report.best + 1} is kept, with an EER of {percent(lowest)}: {report.choice}."]
    others = [number + 1 for number, rate in enumerate(rates) if number != report.best and rate <= (1 + CLOSE) * lowest]
    if others:
        sentences.append(
            f"Close to it, within {CLOSE:.0%} of its error rate, come{'s' * (len(others) == 1)} "
            f"epoch{'s' * (len(others) > 1)} {', '.join(map(str, others))}: the choice among them is by chance."
        )
    return sentences


def training_cautions(report: TrainingReport) -> list[str]:
    """Return the warnings about a training, the gravest first."""
    history = [
        {key: getattr(epoch, key) for key in ("loss", "accuracy", "eer", "utterances")} for epoch in report.epochs
    ]
    warnings = learning_cautions(history)
    if report.best is None or len(history) < 2 or warnings:
        return warnings
    lowest, last = report.epochs[report.best], report.epochs[-1]
    if report.best == report.num_epochs - 1:
        warnings.append(
            "The last epoch is the best: the error rate was still falling, and a longer training may come lower."
        )
    elif last.eer > (1 + RISEN) * lowest.eer and last.loss < lowest.loss:
        warnings.append(
            f"The error rate of held-out speakers rose from {percent(lowest.eer)} after epoch {report.best + 1} to "
            f"{percent(last.eer)}, while the loss went on falling: more augmentation or speakers, or fewer epochs, "
            "would do more than further training."
        )
    return warnings


def _row(number: int, epoch: Epoch, best: bool) -> dict[str, str]:
    return {
        "name": f"{number + 1}{' (best)' if best else ''}",
        "loss": f"{epoch.loss:.4g}",
        "accuracy": f"{100 * epoch.accuracy:.1f} %",
        "eer": percent(epoch.eer),
        "pace": "" if epoch.samples_per_s is None else f"{epoch.samples_per_s:,.0f}",
        "waiting": "" if epoch.waiting_share is None else f"{100 * epoch.waiting_share:.0f} %",
        "memory": "" if epoch.memory_gib is None else f"{epoch.memory_gib:.2f} GiB",
        "gpu_memory": "" if epoch.gpu_memory_gib is None else f"{epoch.gpu_memory_gib:.2f} GiB",
        "gpu_use": "" if epoch.gpu_use is None else f"{100 * epoch.gpu_use:.0f} %",
    }


def duration(seconds: float) -> str:
    """Return hours, minutes and seconds.

    >>> duration(3723.4)
    '1:02:03'
    """
    return str(timedelta(seconds=round(seconds)))
