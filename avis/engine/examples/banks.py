"""Gather what augmentation draws from: recordings of noise, rooms and talkers."""

import numpy as np

from avis.audio.codec import read_all
from avis.augment.bank import Bank
from avis.checkpoints.components import TARGET
from avis.training.example_settings import ExampleSettings
from avis.training.plan import Plan, list_row_groups, read_block


def make_banks(examples: ExampleSettings, utterances: str) -> dict[str, Bank]:
    """Gather what the augmentation draws from, and say how much that is.

    The talkers are of the training utterances where the recipe has no bank ``speech``.

    Parameters
    ----------
    examples : ExampleSettings
    utterances : str
        URI of the store that is trained on.
    """
    chain = examples.augment.chain
    banks = {}
    for name in sorted(chain.build().required_banks if chain else ()):
        component = examples.augment.banks.get(name)
        if component is None and name == "speech":
            banks[name], origin = _speech_bank(examples, utterances), "training utterances"
        else:
            assert component is not None, f"the recipe has no bank {name}"
            banks[name] = component.build()
            origin = component.plain.get("root") or component.plain[TARGET].rpartition(".")[2]
        samples = banks[name].samples
        print(
            f"{name} bank: {len(banks[name])} recordings, {len(samples) / examples.sample_rate:,.0f} s "
            f"({samples.nbytes / 1e6:,.0f} MB), from {origin}",
            flush=True,
        )
    return banks


def _speech_bank(examples: ExampleSettings, utterances: str) -> Bank:
    """Take the first utterances of a few shuffled row groups: any will do as babble."""
    groups, num_utterances = list_row_groups(utterances, "train"), examples.babble_utterances
    shuffled = Plan(groups, seed=examples.seed, groups_per_block=1, passes_per_epoch=1, global_batch=1, num_epochs=1)
    voices: list[np.ndarray] = []
    for number in range(shuffled.blocks_per_pass):
        if len(voices) >= num_utterances:
            break
        rows = read_block(shuffled.block(number), ["audio"])["audio"].to_pylist()
        voices += [read_all(audio) for audio in rows[: num_utterances - len(voices)]]
    return Bank.from_recordings(voices)
