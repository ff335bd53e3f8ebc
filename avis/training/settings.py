"""How long and in what portions a training runs."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from avis.training.cropping import crop_bounds

Precision = Literal["auto", "32-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true", "64-true"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """How long and in what portions a training runs.

    Parameters
    ----------
    num_epochs, passes_per_epoch : int
        An epoch visits every utterance ``passes_per_epoch`` times and ends with a validation.
    batch_size : int
        Examples per optimiser step, over all workers together: the recipe stays the same on 1 or 64 of them.
    micro_batch_size : int or None
        Examples that a worker takes at once, at most; of a larger share of the batch, the gradients of as few
        micro-batches as will do are added up. Batch normalisation then is over each. None takes a share at once.
    crop_s : float or list of two floats
        Length of a training example; or the shortest and the longest of crops, whose length is drawn for each step.
        An example is then of the longest, as is one of validation, and cut into as many crops as have room in it.
    min_utterance_s : float
        Shorter utterances are not trained on.
    speeds : list of float
        Speed factors; a voice at another speed is another speaker.
    utterances_per_speaker : int
        Examples in turn that are of one speaker, for losses that compare the utterances of a batch: different
        utterances of one block, as far as it has them, else further crops of the same. 1 leaves the order to chance.
    groups_per_block : int
        Row groups that are read and mixed together, with several utterances per speaker so many that they hold the
        speakers of a batch; see `avis.engine.shards.sharding.Sharding.utterances_together`.
    babble_utterances : int
        Training utterances whose voices serve as babble.
    max_validation_utterances : int
        Utterances of the held-out speakers that are validated on, at most.
    validation_augment : bool
        Augment the held-out utterances too (always alike), where the clean ones would be too easy to tell apart.
    precision : str
        ``auto``: 16-bit mixed precision on GPUs, and on CPUs that compute in bfloat16, 32-bit elsewhere; else one of
        Lightning's words for it.
    sync_batchnorm : bool
        Normalise by the statistics of all workers' examples, so that the model is the same on any number of them;
        false normalises on each worker by itself, which exchanges less.
    compile : bool
        Let `torch.compile` join the model's operations, which takes a C++ compiler or a GPU, and a minute or more at
        the start, once for each length of crops.
    activation_checkpointing : bool
        Compute what is in the model's blocks a second time, for the gradients, instead of keeping it: in about
        4/3 of the time and, in deep networks, half of the memory or less.
    gradient_clip : float
        Largest norm of the gradient.
    log_interval_s : float
        Seconds between progress lines.
    profile : bool
        Record a few steps of the first worker; see `avis.training.profiling.Profile`.
    mixup_alpha : float
        Of the Beta distribution that shares are drawn from at which waveforms of a batch are mixed in pairs, labels
        likewise; 0 mixes nothing.
    max_minutes : float or None
        So long a job trains at most; then the run stops with a checkpoint of its last step, to be gone on with.
    checkpoint_minutes : float
        Between two checkpoints within an epoch, from which a training that was cut off goes on; each epoch ends with
        one.
    average_epochs : int
        So many last epochs' weights are averaged, and trials scored with that; 0 takes the best epoch's.

    Raises
    ------
    ValueError
        If more epochs are to be averaged than there are, or the shortest crop is longer than the longest.
    """

    num_epochs: PositiveInt
    passes_per_epoch: PositiveInt
    batch_size: PositiveInt
    micro_batch_size: Annotated[int, Field(ge=2)] | None
    crop_s: PositiveFloat | list[PositiveFloat]
    min_utterance_s: NonNegativeFloat
    speeds: list[PositiveFloat]
    utterances_per_speaker: PositiveInt
    groups_per_block: PositiveInt
    babble_utterances: PositiveInt
    max_validation_utterances: PositiveInt
    validation_augment: bool
    precision: Precision
    sync_batchnorm: bool
    compile: bool
    activation_checkpointing: bool
    gradient_clip: PositiveFloat
    log_interval_s: PositiveFloat
    profile: bool
    mixup_alpha: NonNegativeFloat
    max_minutes: PositiveFloat | None
    checkpoint_minutes: PositiveFloat
    average_epochs: NonNegativeInt

    def __post_init__(self) -> None:
        if self.average_epochs > self.num_epochs:
            raise ValueError(
                f"too few epochs: got average_epochs={self.average_epochs}, expected at most "
                f"num_epochs={self.num_epochs}. At trainer.average_epochs. Lower it."
            )
        if self.micro_batch_size and self.utterances_per_speaker > 1:
            raise ValueError(
                f"a loss that compares a batch's utterances needs them at once: got micro_batch_size="
                f"{self.micro_batch_size} and utterances_per_speaker={self.utterances_per_speaker}, expected null. At "
                "trainer.micro_batch_size. Leave it out, and set trainer.activation_checkpointing=true to save memory."
            )
        crop_bounds(self.crop_s)

    def local_batch(self, num_workers: int) -> int:
        """Return the examples of a step that each of so many workers has at least.

        Raises
        ------
        ValueError
            If the batch is not of whole groups, leaves a worker none, or has one speaker, of whom a loss has nobody to
            tell him from.
        """
        size = self.utterances_per_speaker
        if self.batch_size % size:
            raise ValueError(
                f"batch does not divide: got trainer.batch_size={self.batch_size} for {size} utterances per speaker, "
                "expected a multiple. At trainer.batch_size. Change it or trainer.utterances_per_speaker."
            )
        if size > 1 and self.batch_size < 2 * size:
            raise ValueError(
                f"one speaker in a batch: got trainer.batch_size={self.batch_size} and {size} utterances per speaker, "
                f"expected {2 * size} or more. At trainer.batch_size. Raise it."
            )
        local = self.batch_size // size // num_workers * size
        if not local:
            raise ValueError(
                f"workers without examples: got trainer.batch_size={self.batch_size} for {num_workers} workers, "
                f"expected {num_workers * size} or more. At trainer.batch_size. Raise it, or lower compute.num_workers."
            )
        return local

    def check_placement(self, placement: str, augment: str) -> None:
        """Refuse settings that need features computed elsewhere.

        Raises
        ------
        ValueError
            Naming the setting.
        """
        if self.utterances_per_speaker > 1 and placement == "materialize":
            raise ValueError(
                "stored features keep the speeds they were made at: got "
                f"utterances_per_speaker={self.utterances_per_speaker} and placement=materialize, expected 1. "
                "At trainer.utterances_per_speaker. Set features.placement=stream."
            )
        if self.mixup_alpha and placement != "device":
            raise ValueError(
                f"mixup needs waveforms: got mixup_alpha={self.mixup_alpha} and placement={placement}, expected "
                "device. At trainer.mixup_alpha. Set features.placement=device."
            )
        if augment == "device" and self.precision in ("16-true", "bf16-true"):
            raise ValueError(
                f"what is drawn needs 32 bits: got precision={self.precision} and augment.placement=device, expected "
                "bf16-mixed or 32-true. At trainer.precision. Change it, or set augment.placement=stream."
            )
        if isinstance(self.crop_s, list) and placement != "device":
            raise ValueError(
                f"crops of drawn length are cut from waveforms: got crop_s={self.crop_s} and placement={placement}, "
                "expected device. At trainer.crop_s. Set features.placement=device, or give one length."
            )
