"""What embeds several recordings at once gives each what it gets alone."""

import numpy as np
import pytest

from avis.audio.codec import quantise
from avis.serving.models import embed_padded
from avis.verifier import Verifier
from tests.avis.conftest import talk

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.mark.few(1)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("frames_together", [0, 500, 30_000])
def test_padding_changes_nothing(parts, device, frames_together):
    verifier = Verifier(parts)
    values = [quantise(talk(seed, duration_s=length)) for seed, length in enumerate((1.0, 3.0, 0.6, 2.9, 70.0))]
    alone = [verifier.embedding_of(each) for each in values]
    verifier.model.to(device), verifier.front_end.to(device)
    together = embed_padded(verifier, values, device=device, frames_together=frames_together)
    np.testing.assert_allclose(together, alone, atol=1e-5 if device == "cpu" else 1e-3)
