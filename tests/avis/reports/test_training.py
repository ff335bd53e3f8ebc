"""The page about a training: what it warns of, and what it leaves out where nothing is known."""

import pytest

from avis.reports.training import Epoch, TrainingReport, training_cautions, training_page


def report(*eers: float, losses: tuple[float, ...] = (), num_epochs: int = 5, averaged: int = 0) -> TrainingReport:
    means = losses or tuple(5.0 - number for number in range(len(eers)))
    epochs = [
        Epoch(loss, 0.5 + 0.1 * number, eer, 400.0) for number, (loss, eer) in enumerate(zip(means, eers, strict=True))
    ]
    return TrainingReport("Title", epochs, num_epochs, averaged, "the lowest EER of 60", None, [], 0, {}, {}, None)


@pytest.mark.parametrize(
    ("told", "caution"),
    [
        (report(0.2, 0.1, 0.05, num_epochs=3), "The last epoch is the best"),
        (report(0.2, 0.1, 0.05), None),  # cut off: it is known that it was to go on
        (report(0.2, 0.05, 0.08), "rose from 5.00 % after epoch 2 to 8.00 %, while the loss went on falling"),
        (report(0.2, 0.05, 0.055), None),
        (report(0.2, 0.05, 0.08, losses=(5.0, 3.0, 4.0)), None),
        (report(0.0, 0.0), "says nothing"),
        (report(0.2), None),
        (report(), None),
    ],
)
def test_cautions(told: TrainingReport, caution: str | None):
    said = " ".join(training_cautions(told)).replace("\N{NO-BREAK SPACE}", " ")
    assert (caution in said) if caution else said == ""


def test_the_first_of_epochs_that_are_alike_is_the_best():
    assert report(0.2, 0.1, 0.1).best == 1


def test_epochs_close_to_the_best_are_named():
    page = training_page(report(0.2, 0.104, 0.1, 0.109, 0.12))
    assert "come epochs 2, 4: the choice among them is by chance" in page


def test_an_average_is_no_best_epoch():
    page = training_page(report(0.2, 0.1, averaged=2)._replace(choice="the average of the last 2 epochs"))
    assert "The checkpoint is the average of the last 2 epochs." in page
    assert "is kept" not in page


def test_what_is_not_known_is_not_shown():
    page = training_page(report(0.2, 0.1))
    for unknown in ("Training time", "Examples per second", "GPU", "<img", "The evaluation"):
        assert unknown not in page
    assert "Not recorded." in page
