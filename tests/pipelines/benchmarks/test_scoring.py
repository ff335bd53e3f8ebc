from collections.abc import Callable

import pytest

from pipelines.benchmarks.scoring import scoring


def test_loops_over_pairs_have_the_scores_of_avis(recipe: Callable, capsys: pytest.CaptureFixture[str]):
    scoring(recipe(), num_trials=3000, num_pairs=100, cohort_speakers=310, test_speakers=6)
    header, avis, *loops = capsys.readouterr().out.splitlines()[-4:]
    assert header.startswith("3000 trials of 120 utterances [192], AS-norm top 300 of 310 speakers")
    assert "trials/s, cohort statistics" in avis
    assert [loop.split("  ")[1] for loop in loops] == ["WeSpeaker's loop", "SpeechBrain's loop"]
