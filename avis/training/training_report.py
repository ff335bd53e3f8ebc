"""Gather what is known of a training, and write a page about it."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from avis import location, store
from avis.reports.training import Epoch, Happening, TrainingReport, duration, training_page
from avis.reports.training_plots import Curve, curve_plot
from avis.run_folder import REPORT, TRAINING_REPORT
from avis.training.logs import Log, read_logs
from avis.training.run_events import RESUMED, STARTED, TRAINING, read_events
from avis.training.settings import Training
from avis.training.usage import DATA_CPUS, FIRST_WAIT, GPU_MEMORY, GPU_USE, MEMORY, WORK
from avis.training.waiting import shortage

PACE, WAITING = "train/samples_per_s", "train/waiting_share"
CURVES = {
    "loss": ("train/loss", "Loss"),
    "accuracy": ("train/accuracy", "Accuracy"),
    "learning_rate": ("train/learning_rate", "Learning rate"),
    "pace": (PACE, "Examples per second"),
    "waiting": (WAITING, "Share of the time"),
}
"""By picture of the page: the logged figure, and what its axis says."""

SAID = {STARTED: "started", RESUMED: "gone on with", TRAINING: "trains"}


def write_training_report(
    run_dir: str,
    settings: Training,
    *,
    history: Sequence[Mapping[str, float]],
    choice: str,
    facts: Mapping[str, str],
) -> str:
    """Write ``training.html`` into a run's folder and return where it is.

    Parameters
    ----------
    run_dir : str
    settings : Training
    history : sequence of mapping
        Of each epoch, as a checkpoint keeps it; see `avis.reports.learning_cautions.learning_cautions`.
    choice : str
        By what the checkpoint was chosen.
    facts : mapping of str to str
        What was trained.
    """
    log, events = read_logs(run_dir), read_events(run_dir)
    begun = [event for event in events if event["event"] == TRAINING]
    steps = int(begun[-1]["steps_per_epoch"]) if begun else 0
    epochs = list(_epochs(history, log, settings.batch_size * steps))
    again = [int(event["step"]) for event in begun[1:]]
    report = TrainingReport(
        title="Training of a speaker verifier",
        epochs=epochs,
        num_epochs=settings.num_epochs,
        averaged=settings.average_epochs,
        choice=choice,
        training_s=_training_s(epochs, settings.batch_size * steps),
        happenings=list(_happenings(events, log, _step_s(epochs, settings.batch_size))),
        repeated_steps=sum(map(log.repeated_steps, again)),
        pictures=_pictures(epochs, log, steps, again),
        facts=facts,
        evaluation=REPORT if location.exists(location.join(run_dir, REPORT)) else None,
    )
    path = location.join(run_dir, TRAINING_REPORT)
    store.write_bytes(path, training_page(report).encode())
    return path


def _epochs(history: Sequence[Mapping[str, float]], log: Log, examples: int) -> Iterator[Epoch]:
    names = (PACE, WAITING, MEMORY, GPU_MEMORY, GPU_USE, *WORK, DATA_CPUS, FIRST_WAIT)
    figures = {name: log.column(name).by_epoch() for name in names}
    for number, means in enumerate(history):
        of_epoch = {name: values[number] for name, values in figures.items() if number in values}
        yield Epoch(
            loss=means["loss"],
            accuracy=means["accuracy"],
            eer=means["eer"],
            utterances=means["utterances"],
            samples_per_s=of_epoch.get(PACE),
            waiting_share=of_epoch.get(WAITING),
            memory_gib=of_epoch.get(MEMORY),
            gpu_memory_gib=of_epoch.get(GPU_MEMORY),
            gpu_use=of_epoch.get(GPU_USE),
            short=_short(of_epoch, examples),
        )


def _short(figures: Mapping[str, float], examples: int) -> str:
    """Return what was short in an epoch, the wait for the very first batch left out."""
    if not (examples and {PACE, WAITING, DATA_CPUS, FIRST_WAIT, *WORK} <= figures.keys()):
        return ""
    elapsed_s, first_s = examples / figures[PACE], figures[FIRST_WAIT]
    waited_s = figures[WAITING] * elapsed_s - first_s
    left_s = max(elapsed_s - first_s, 1e-9)
    seconds = np.array([figures[name] for name in WORK])
    return (seconds.sum() and shortage(waited_s / left_s, seconds, left_s, figures[DATA_CPUS])) or ""


def _training_s(epochs: Sequence[Epoch], examples: int) -> float | None:
    paces = [epoch.samples_per_s for epoch in epochs]
    return sum(examples / pace for pace in paces if pace) if examples and paces and all(paces) else None


def _step_s(epochs: Sequence[Epoch], batch_size: int) -> float | None:
    paces = [epoch.samples_per_s for epoch in epochs if epoch.samples_per_s]
    return batch_size / float(np.median(paces)) if paces else None


def _happenings(events: Sequence[Mapping[str, Any]], log: Log, step_s: float | None) -> Iterator[Happening]:
    """Word the events; what a break cost stands where the workers took up the training again."""
    trained_until: float | None = None
    running, trained = False, False
    for event in events:
        kind, by = event["event"], event.get("by")
        what, where, cost = SAID.get(kind, kind) + (f" by {by}" if by else ""), "", ""
        if kind == TRAINING:
            epoch, step = divmod(event["step"], event["steps_per_epoch"])
            what = f"trains on {event['workers']} worker{'s' * (event['workers'] > 1)}"
            where = f"after epoch {epoch}" + f" and {step} steps" * (step > 0) if epoch or step else "from the start"
            if trained:
                cost = _cost(log.repeated_steps(event["step"]), step_s, trained_until, event["time"])
            running, trained = True, True
        elif running and kind == RESUMED:
            what += "; the start before ended without a word, as a process does that is killed"
            trained_until = None
        elif kind not in (STARTED, RESUMED):
            running, trained_until = False, event["time"]
        yield Happening(_in_words(event["time"]), what, where, cost)


def _cost(repeated: int, step_s: float | None, until: float | None, since: float) -> str:
    took = f", some {duration(repeated * step_s)}" if step_s and repeated else ""
    again = f"{repeated:,} step{'s' * (repeated != 1)} repeated{took}"
    return again if until is None else f"{duration(since - until)} without training; {again}"


def _in_words(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def _pictures(epochs: Sequence[Epoch], log: Log, steps: int, breaks: Sequence[int]) -> dict[str, bytes]:
    curves = {}
    for kind, (name, label) in CURVES.items():
        column = log.column(name)
        if steps and len(column.step) > 1:
            curves[kind] = Curve((column.step + 1) / steps, column.value, label)
    if epochs:
        rates = np.array([100 * epoch.eer for epoch in epochs])
        ends = np.arange(1.0, len(epochs) + 1)
        curves["eer"] = Curve(ends, rates, "EER (%)", dots=True, best=int(rates.argmin()))
    return {
        kind: curve_plot(curve, starts=[step / steps for step in breaks if steps]) for kind, curve in curves.items()
    }
