"""Pages of trials, and what an index says of them."""

import pytest

from avis.engine.trials.pages import strongest_reason
from avis.explain.record import Explanation, Segment, Side


def side(side: str, recording: int, name: str) -> Side:
    return Side(side=side, recording=recording, name=name, sha256="", duration_s=1.0, speech_s=1.0, quality={})


def explanation(*sides: Side, **told) -> Explanation:
    return Explanation(**{"model": "m", "outcome": "unsure", "threshold": 0.0, "unit": "llr"} | told, sides=list(sides))


@pytest.mark.parametrize(("llr", "stretch"), [(1.0, "from 1.0 to 2.0 s of the test"), (-1.0, "from 2.0 to 3.0 s")])
def test_the_strongest_reason_is_the_stretch_that_bears_the_verdict_out(llr: float, stretch: str):
    shares = {0.0: 0.5, 1.0: 2.0, 2.0: -3.0, 3.0: -0.5}
    segments = [Segment(side="test", start_s=start, end_s=start + 1, llr=share) for start, share in shares.items()]
    told = explanation(side("enroll", 0, "a"), side("test", 0, "b"), llr=llr, score=1.0, segments=segments)
    assert stretch in strongest_reason(told)


def test_what_bears_out_nothing_is_no_reason():
    segments = [Segment(side="test", start_s=each, end_s=each + 1.0, llr=-0.2 - each) for each in (0.0, 1.0)]
    against = explanation(side("enroll", 0, "a"), side("test", 0, "b"), llr=1.0, score=1.0, segments=segments)
    assert strongest_reason(against) == ""
    below_threshold = against.model_copy(update={"threshold": 4.6})
    assert "for two speakers is a factor of 3.3" in strongest_reason(below_threshold)


def test_where_nobody_was_heard_there_is_none():
    told = explanation(side("enroll", 0, "a"), side("test", 0, ""), outcome="not_heard")
    assert strongest_reason(told) == ""
