"""What the evidence would be with another embedding."""

import dataclasses

import numpy as np
import pytest

from avis.explain.judge import Judge
from avis.scoring.as_norm import AsNorm
from avis.scoring.cosine import Cosine
from avis.verifier import Verifier
from tests.avis.conftest import RATE, talk


@pytest.mark.parametrize("calibrated", [True, False])
def test_the_evidence_is_the_verifier_s_own(parts, calibrated):
    verifier = Verifier(parts if calibrated else dataclasses.replace(parts, calibration=None))
    one, other, third = (verifier.embed((talk(seed, duration_s=2.0 + seed), RATE)) for seed in range(3))
    judge = Judge(
        comparison=verifier.comparison,
        embeddings=(one.embedding, other.embedding),
        speech_s=(one.speech_s, other.speech_s),
    )
    same_length = dataclasses.replace(third, speech_s=other.speech_s)
    verdicts = [verifier.verify(one, other), verifier.verify(one, same_length)]
    wanted = [verdict.llr if calibrated else verdict.score for verdict in verdicts]
    assert judge.unit == ("llr" if calibrated else "score")
    assert judge.as_it_was() == pytest.approx(wanted[0], abs=1e-5)
    changed = judge.evidence("test", np.stack([other.embedding, third.embedding]))
    np.testing.assert_allclose(changed, wanted, atol=1e-5)


def test_an_embedding_is_normalised_by_the_cohort_anew(parts):
    rng = np.random.default_rng(0)
    backend = AsNorm(backend=Cosine(center=False), cohort="utterances", top_n=3)
    backend.fit(rng.normal(size=(8, 16)), np.arange(8))
    comparison = Verifier(dataclasses.replace(parts, backend=backend, calibration=None)).comparison
    one, other, third = rng.normal(size=(3, 16))
    judge = Judge(comparison=comparison, embeddings=(one, other), speech_s=(3.0, 3.0))
    vectors = backend.transform(np.stack([third, other]))
    assert judge.evidence("enroll", third[None])[0] == pytest.approx(float(backend.score(vectors[:1], vectors[1:])[0]))
