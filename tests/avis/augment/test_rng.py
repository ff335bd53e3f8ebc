import subprocess
import sys

import numpy as np

from avis.augment.rng import example_rng


def test_another_process_draws_the_same():
    code = "from avis.augment.rng import example_rng; print(example_rng(7, 2, 'vox/id1/ä').integers(2**62))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(printed.stdout) == example_rng(7, 2, "vox/id1/ä").integers(2**62)


def test_every_part_counts():
    keys = [(0, 0, "a"), (1, 0, "a"), (0, 1, "a"), (0, 0, "b"), (0, 11, "a"), (1, 1, "a"), (0, 1, "1:a"), (0, 1, "1a")]
    assert len({int(example_rng(*key).integers(2**62)) for key in keys}) == len(keys)


def test_examples_are_uniform_and_not_related():
    draws = np.array([example_rng(0, 0, f"utt{i}").random(2) for i in range(4000)])
    assert np.abs(draws.mean(axis=0) - 0.5).max() < 4 / np.sqrt(12 * 4000)
    assert abs(np.corrcoef(draws.T)[0, 1]) < 4 / np.sqrt(4000)
    assert abs(np.corrcoef(draws[1:, 0], draws[:-1, 0])[0, 1]) < 4 / np.sqrt(4000)
