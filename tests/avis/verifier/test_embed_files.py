"""Files are embedded side by side as each would be alone, in the order given, with their errors in their places."""

import dataclasses
import itertools
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile as sf
import torch

from avis.corpora.voice import draw_channel, draw_voice, synthesise
from avis.verifier import Verifier
from avis.verifier.embedder import LEAST_SPEECH_S
from avis.verifier.side_by_side import AHEAD, side_by_side
from tests.avis.conftest import RATE, talk


@pytest.fixture(scope="module")
def verifier(parts):
    return Verifier(dataclasses.replace(parts, max_window_s=2.0))


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def mixed_files(folder, seed) -> list[str]:
    """Recordings of 0.1 to 7 s, one twice, silence, text and a file that is missing, in any order."""
    rng = np.random.default_rng(seed)
    paths = [str(folder / f"{number}.wav") for number in range(12)]
    for number, path in enumerate(paths):
        duration_s = rng.choice([0.1, 0.7, 1.0, 2.0, rng.uniform(1, 7)])
        sf.write(path, talk(seed + number, duration_s=duration_s), RATE, subtype="FLOAT")
    sf.write(folder / "silence.wav", np.zeros(RATE), RATE)
    (folder / "text.wav").write_text("no audio")
    paths += [paths[0], str(folder / "silence.wav"), str(folder / "text.wav"), str(folder / "missing.wav")]
    return rng.permutation(paths).tolist()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
def test_each_comes_as_it_would_alone(verifier, two_threads, tmp_path, seed):
    paths = mixed_files(tmp_path, seed)
    made = list(verifier.embed_files(paths))
    assert [path for path, _ in made] == paths
    for path, voiceprint in made:
        if path.endswith(("text.wav", "missing.wav")):
            with pytest.raises(type(voiceprint), match=re.escape(str(voiceprint))):
                verifier.embed(path)
            continue
        alone = verifier.embed(path)
        assert dataclasses.replace(voiceprint, embedding=None) == dataclasses.replace(alone, embedding=None)
        assert (voiceprint.embedding is None) == (alone.embedding is None) == (alone.speech_s < LEAST_SPEECH_S)
        if alone.embedding is not None:
            np.testing.assert_allclose(voiceprint.embedding, alone.embedding, rtol=0, atol=1e-5)


def test_a_generator_that_is_closed_leaves_nothing_behind(verifier, two_threads, recording):
    path, taken = recording(1), itertools.count()
    threads = set(threading.enumerate())
    made = verifier.embed_files(path for _ in taken)
    assert next(made)[0] == path
    assert set(threading.enumerate()) > threads
    made.close()
    assert set(threading.enumerate()) == threads
    assert next(taken) == 2 * AHEAD
    with ThreadPoolExecutor(1) as new:
        assert new.submit(torch.get_num_threads).result() == torch.get_num_threads() == 2


def test_a_bug_is_raised_in_its_place(verifier, two_threads, recording, monkeypatch):
    embed = verifier.embed
    monkeypatch.setattr(verifier, "embed", lambda path: 1 / 0 if path == "b" else embed(path))
    made = verifier.embed_files([recording(1), "b", recording(2)])
    assert next(made)[0] == recording(1)
    with pytest.raises(ZeroDivisionError):
        next(made)
    assert not any(thread.name.startswith("recordings") for thread in threading.enumerate())


@pytest.mark.slow
def test_threads_share_no_detector(parts, two_threads, tmp_path):
    pytest.importorskip("silero_vad")
    torch.set_num_threads(2)  # which importing it set to one
    hearing = dataclasses.replace(parts.hearing, vad="silero")
    verifier = Verifier(dataclasses.replace(parts, hearing=hearing))
    rng = np.random.default_rng(0)
    for number in range(4):
        voice = synthesise(draw_voice(rng), draw_channel(rng), num_samples=4 * RATE, rng=rng)
        sf.write(tmp_path / f"{number}.wav", voice, RATE)
    paths = sorted(map(str, tmp_path.iterdir()))
    alone = [verifier.embed(path).speech_s for path in paths]
    assert min(alone) > 1.0
    assert [made.speech_s for _, made in verifier.embed_files(paths * 3)] == alone * 3


def test_as_many_threads_as_are_asked_for(two_threads):
    met = threading.Barrier(3, timeout=60)
    assert sorted(side_by_side(lambda _: met.wait(), range(3), threads=3)) == [0, 1, 2]
    assert torch.get_num_threads() == 2
