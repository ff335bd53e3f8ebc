"""What holds for every model: one embedding per utterance whatever its batch and length, one graph, its weights."""

import pickle

import pytest
import torch

SHIFTS = [
    ("adapter_mfa", 1, 60),
    ("mhfa", 1, 60),
    ("ecapa_tdnn", 1, 400),
    ("resnet", 8, 400),
    ("resnet_bottleneck", 8, 400),
    ("resnet_se34_l", 4, 800),
    ("resnet_se34_v2", 8, 1600),
    ("preact_resnet", 8, 800),
    ("simam_resnet", 8, 400),
    ("res2net", 8, 800),
    ("eres2net", 8, 800),
    ("eres2net_v2", 8, 800),
    ("gemini_df_resnet", 2, 400),
    ("redimnet", 1, 800),
    ("redimnet2", 4, 1600),
    ("campplus", 200, 1200),
    ("ska_tdnn", 2, 800),
    ("titanet", 1, 400),
    ("xvector", 1, 400),
    ("xi_vector", 1, 400),
]
"""Model, frames it advances by at once (CAM++: a segment), and frames that hold its receptive field twice."""


@pytest.mark.few(24)
@pytest.mark.parametrize("frames", [1, 2, 28, 29, 300])
def test_one_utterance_of_any_length(narrow, frames: int):
    """0.3 s are 28 frames of 25 ms at 10 ms."""
    model = narrow.trained()
    with torch.inference_mode():
        embedding = model(narrow.noise(1, frames))
    assert embedding.shape == (1, model.embedding_dim) == (1, 8)
    assert embedding.isfinite().all()


def test_minutes_embed_like_ten_seconds_of_the_same(narrow_or_slow):
    """60 repetitions, ten minutes, differ from one only at the seams; 6 where time grows with the square of frames."""
    model, features = narrow_or_slow.trained(), narrow_or_slow.noise(1, 1000)
    with torch.inference_mode():
        short, long = model(features), model(features.repeat(1, 6 if narrow_or_slow.time_is_quadratic else 60, 1))
    assert torch.cosine_similarity(short, long).item() > 0.99


@pytest.mark.few(5)
@pytest.mark.parametrize(("narrow", "step", "frames"), SHIFTS, indirect=["narrow"])
def test_when_something_is_said_does_not_matter(narrow, step: int, frames: int):
    """In the midst of constant features the embedding is the same wherever the speech begins."""
    model, speech = narrow.trained().double(), narrow.noise(1, 30)[0].double()
    silence = torch.zeros(1, frames, speech.shape[1], dtype=torch.float64)

    def said_at(start: int) -> torch.Tensor:
        features = silence.clone()
        features[0, start : start + 30] = speech
        return model(features)

    with torch.inference_mode():
        start = (frames // 2 - 15) // step * step
        torch.testing.assert_close(said_at(start), said_at(start + step), rtol=1e-9, atol=1e-9)
        assert not torch.allclose(said_at(start), model(silence), rtol=1e-3)


@pytest.mark.few(8)
def test_an_embedding_does_not_depend_on_its_batch(narrow):
    model, features = narrow.trained(), narrow.noise(4, 60)
    with torch.inference_mode():
        together = model(features)
        alone = torch.cat([model(row.unsqueeze(0)) for row in features])
        shuffled = model(features[[2, 0, 3, 1]])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(shuffled, together[[2, 0, 3, 1]], rtol=1e-4, atol=1e-5)


@pytest.mark.few(8)
def test_padding_to_the_longest_of_a_batch_changes_nothing(narrow):
    """Whatever the padding is, and from 0.3 s on; loud, so that one frame of it that is looked at would be seen."""
    model, features = narrow.trained(), narrow.noise(7, 230)
    lengths = [frames * features.shape[1] // 230 for frames in (1, 28, 29, 101, 200, 227, 230)]
    for row, length in zip(features, lengths, strict=True):
        row[length:] = 50.0
    with torch.inference_mode():
        together = model(features, torch.tensor(lengths))
        alone = torch.cat([model(row[None, :length]) for row, length in zip(features, lengths, strict=True)])
        unmasked = model(features)
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    assert ((unmasked - alone).norm(dim=1) > 1e-3 * alone.norm(dim=1))[:6].all()


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True])
def test_is_one_graph(narrow_or_slow, masked: bool):
    """`torch.compile` finds no Python it must leave the graph for; the eager back-end needs no compiler.

    In one process it compiles `PooledModel.forward` eight times at most, and here are more models than that.
    """
    torch.compiler.reset()
    model, features = narrow_or_slow.trained(), narrow_or_slow.noise(2, 50)
    num_frames = torch.tensor([features.shape[1], features.shape[1] // 2]) if masked else None
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(features, num_frames), model(features, num_frames))


@pytest.mark.few(8)
def test_pickles_with_its_weights(narrow):
    model, features = narrow.trained(), narrow.noise(2, 30)
    torch.testing.assert_close(pickle.loads(pickle.dumps(model))(features), model(features))


@pytest.mark.few(24)
@pytest.mark.parametrize("shape", [(2, 30, 25), (2, 0, 24), (30, 24)], ids=["of 25 mels", "no frames", "no batch"])
def test_features_that_do_not_fit_are_refused(narrow, shape: tuple[int, ...]):
    """The models are of 24 mels, or of waveforms."""
    with pytest.raises(ValueError, match=r"got features\.shape=.*expected \[batch, "):
        narrow.build()(torch.zeros(shape))
