"""What machines do in a second, and what they cost: what an estimate and a simulation reckon with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

MEASURED_CROP_S = 2.0
"""Of the examples in the tables; others are reckoned in proportion."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What machines do in a second, and what they cost.

    Parameters
    ----------
    recordings, audio_h : int, float or None
        How many there are, and hours; None where that is not known.
    gpu_examples_per_s, cpu_examples_per_s : mapping of str to float
        Examples of `MEASURED_CROP_S` that a GPU, or a training process on CPUs, trains on, by the choice of ``model``.
    feeder_examples_per_s : mapping of str to float
        Such examples that a core makes, by ``<augment.placement>_<sharding.encoding>``.
    prepared_h_per_core_h : float
        Hours of audio that a core prepares in an hour.
    listed_files_per_s, planned_files_per_s : float
        Files that the one driver lists and plans.
    driver_kb_per_file : float
        Memory of the driver.
    start_s : float
        Seconds until a training takes its first step, also after a loss.
    file_kb_per_s_of_audio, shard_kb_per_s_of_audio : float
        Size of a second of audio as it comes, and in shards.
    cpus_per_worker, workers_per_node : int
        CPUs beside each training worker, and workers on a node, which is lost as a whole.
    storage_mb_s, stream_mb_s : float
        MB/s of all readers and writers together, and of one.
    cache_gb : float
        Of a node's memory that keep what was read; 0 where storage is not a file system.
    network_gb_s : float
        GB/s of a node, for gradients.
    slow_share, slow_factor : float
        Share of parts, and of each worker's steps, that take so many times as long.
    losses_per_node_day : float
        How often a node is lost.
    replaced_min : float
        Minutes until there is another.
    gpu_hour, cpu_hour : float or None
        Prices, in any currency: of a GPU with its CPUs, and of a CPU on nodes without.
    """

    recordings: PositiveInt | None
    audio_h: PositiveFloat | None
    gpu_examples_per_s: Mapping[str, PositiveFloat]
    cpu_examples_per_s: Mapping[str, PositiveFloat]
    feeder_examples_per_s: Mapping[str, PositiveFloat]
    prepared_h_per_core_h: PositiveFloat
    listed_files_per_s: PositiveFloat
    planned_files_per_s: PositiveFloat
    driver_kb_per_file: NonNegativeFloat
    start_s: NonNegativeFloat
    file_kb_per_s_of_audio: PositiveFloat
    shard_kb_per_s_of_audio: PositiveFloat
    cpus_per_worker: PositiveInt
    workers_per_node: PositiveInt
    storage_mb_s: PositiveFloat
    stream_mb_s: PositiveFloat
    cache_gb: NonNegativeFloat
    network_gb_s: PositiveFloat
    slow_share: Annotated[float, Field(ge=0, le=1)]
    slow_factor: Annotated[float, Field(ge=1)]
    losses_per_node_day: NonNegativeFloat
    replaced_min: NonNegativeFloat
    gpu_hour: NonNegativeFloat | None
    cpu_hour: NonNegativeFloat | None

    def trained_per_s(self, model: str, *, on_gpu: bool, crop_s: float) -> float | None:
        """Return the examples that a worker trains on in a second; None if that of the model is not known."""
        measured = (self.gpu_examples_per_s if on_gpu else self.cpu_examples_per_s).get(model)
        return None if measured is None else measured * MEASURED_CROP_S / crop_s

    def fed_per_s(self, placement: str, encoding: str, *, crop_s: float) -> float:
        """Return the examples that a core makes in a second."""
        return self.feeder_examples_per_s[f"{placement}_{encoding}"] * MEASURED_CROP_S / crop_s
