"""Gather what augmentation draws from: recordings of noise, rooms and talkers."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

import avis
from avis import location, store
from avis.audio.codec import read_all
from avis.audio.listing import list_audio
from avis.audio.room_responses import list_kind
from avis.augment.bank import Bank, is_store
from avis.checkpoints.components import TARGET, Component
from avis.digest import fingerprint
from avis.training.example_settings import ExampleSettings
from avis.training.plan import Plan, list_row_groups, read_block


def make_banks(examples: ExampleSettings, utterances: str, *, output_dir: str | None = None) -> dict[str, Bank]:
    """Gather what the augmentation draws from, and say how much that is.

    The talkers are of the training utterances where the recipe has no bank ``speech``.

    Parameters
    ----------
    examples : ExampleSettings
    utterances : str
        URI of the store that is trained on.
    output_dir : str or None
        Folder below which banks of recordings are kept as they were decoded, for the next start.
    """
    chain = examples.augment.chain
    banks = {}
    for name in sorted(chain.build().required_banks if chain else ()):
        component = examples.augment.banks.get(name)
        if component is None and name == "speech":
            banks[name], origin = _speech_bank(examples, utterances), "training utterances"
        else:
            assert component is not None, f"the recipe has no bank {name}"
            banks[name] = _kept(component, output_dir)
            origin = component.plain.get("root") or component.plain[TARGET].rpartition(".")[2]
        samples = banks[name].samples
        print(
            f"{name} bank: {len(banks[name])} recordings, {len(samples) / examples.sample_rate:,.0f} s "
            f"({samples.nbytes / 1e6:,.0f} MB), from {origin}",
            flush=True,
        )
    return banks


def _kept(component: Component[Bank], output_dir: str | None) -> Bank:
    """Return a bank as it was decoded before, as long as its recordings are the same; else decode and keep it."""
    content = _content(component.plain)
    if output_dir is None or content is None:
        return component.build()
    name = fingerprint([avis.__version__, component.plain, content])
    uri = location.join(output_dir, "banks", f"{name}.npz")
    if location.exists(uri):
        with location.open_seekable(uri) as file, np.load(file, allow_pickle=False) as arrays:
            return Bank(samples=arrays["samples"], offsets=arrays["offsets"])
    bank, buffer = component.build(), io.BytesIO()
    np.savez(buffer, samples=bank.samples, offsets=bank.offsets)
    store.write_file(uri, buffer)
    return bank


def _content(settings: Mapping[str, Any]) -> Any:
    """Return what tells the recordings of a bank from others; None where there are none, or nothing tells."""
    if "root" not in settings:
        return None
    if is_store(settings["root"]):
        return store.open_manifest(settings["root"])["files"]
    kind = settings.get("kind")
    listed = list_kind(settings["root"], kind) if kind else list_audio(settings["root"])
    files = [[file.relative, file.size_bytes, file.modified_ns] for file in listed]
    return files if all(-1 not in file for file in files) else None


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
