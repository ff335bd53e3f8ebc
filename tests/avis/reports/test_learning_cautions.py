"""A training that taught nothing, or chose its checkpoint by chance, says so."""

import pytest

from avis.reports.learning_cautions import learning_cautions

SOUND = [(5.0, 0.2, 0.30), (3.0, 0.6, 0.10), (1.0, 0.9, 0.08)]
TUNED = [(0.5, 0.98, 0.03), (0.9, 0.98, 0.02)]  # from another checkpoint, with a larger margin


def history(*epochs: tuple[float, float, float], utterances: float = 1000.0) -> list[dict[str, float]]:
    return [{"loss": loss, "accuracy": found, "eer": eer, "utterances": utterances} for loss, found, eer in epochs]


@pytest.mark.parametrize("epochs", [SOUND, SOUND[:1], [*SOUND, (0.0, 1.0, 0.0)], [], TUNED])
def test_a_sound_training_has_no_warning(epochs: list[tuple[float, float, float]]):
    assert learning_cautions(history(*epochs)) == []


@pytest.mark.parametrize(
    ("epochs", "words"),
    [
        ([(0.0, 1.0, 0.3), (0.0, 1.0, 0.3)], "at its floor in the first epoch already (0)"),
        (
            [(5.00, 0.01, 0.31), (4.98, 0.01, 0.30), (5.02, 0.01, 0.32)],
            "was 5 in the first of 3 epochs and never below 4.98",
        ),
        ([(0.3, 0.5, 0.4), (0.3, 0.5, 0.4)], "Nothing learnt: the training loss was 0.3"),  # a triplet at its margin
        ([(5.0, 0.01, 0.3), (7.0, 0.01, 0.3)], "Nothing learnt"),  # a margin that grows
        ([(5.0, 0.2, 0.0), (3.0, 0.6, 0.1)], "without an error from the first epoch on"),
        ([(5.0, 0.2, 0.5), (3.0, 0.6, 0.48)], "best EER of held-out speakers is 48.00 %"),
    ],
)
def test_each_reason_has_its_warning(epochs: list[tuple[float, float, float]], words: str):
    [warning] = learning_cautions(history(*epochs))
    assert words in warning.replace("\N{NO-BREAK SPACE}", " ")


def test_few_utterances_do_not_tell_from_chance():
    [warning] = learning_cautions(history((5.0, 0.2, 0.3), (3.0, 0.5, 0.2), utterances=8))
    assert warning.startswith("Not told from chance")
    assert learning_cautions(history((5.0, 0.2, 0.3), (3.0, 0.5, 0.2), utterances=100)) == []
