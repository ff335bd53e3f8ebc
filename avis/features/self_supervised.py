"""Take features from the layers of a self-supervised speech model: WavLM, wav2vec 2.0, HuBERT or W2V-BERT 2.0."""

import os
from collections.abc import Sequence
from typing import Any

import torch

from avis.features.fbank import Fbank
from avis.features.normalise import InstanceNorm, MeanNorm, MeanVarNorm
from avis.features.waveforms import check_waveforms

SAMPLE_RATE = 16000
"""Of the speech that all of these models were trained on."""
NORM_OFFSET = 1e-7
MODEL_TYPES = ("wavlm", "wav2vec2", "hubert", "wav2vec2-bert")
TRAINING_OPTIONS = {"layerdrop": 0.0, "apply_spec_augment": False, "mask_time_prob": 0.0, "mask_feature_prob": 0.0}
"""Layers left out at random have no gradients, which distributed training waits for; masking is `avis.augment`'s."""


class Backbone(torch.nn.Module):
    """A self-supervised model and its input, for front ends that make something of its layers.

    Parameters
    ----------
    dim : int
        Values per frame of the front end; those of ``num_parts`` of the model's layers, all if None.
    num_parts : int or None
        Layers side by side in a frame.
    model, sample_rate, frozen, normalise
        See `SelfSupervised`.
    """

    def __init__(
        self, *, dim: int, model: str, sample_rate: int, frozen: bool, normalise: bool, num_parts: int | None
    ) -> None:
        super().__init__()
        self.dim = dim
        self.backbone = _load(model)
        config = self.backbone.config
        self.num_layers = config.num_hidden_layers + 1
        expected_dim = (num_parts or self.num_layers) * config.hidden_size
        if sample_rate != SAMPLE_RATE or dim != expected_dim:
            raise ValueError(
                f"The front end must fit its model: got sample_rate={sample_rate} Hz and dim={dim}, expected "
                f"{SAMPLE_RATE} and {expected_dim} for {model}. At features.front_end. Correct its "
                "dim or sharding.sample_rate."
            )
        if config.model_type == "wav2vec2-bert":
            self.input: MelPairs | Waveforms = MelPairs(num_mels=config.feature_projection_input_dim // 2)
        else:
            self.input = Waveforms(kernels=config.conv_kernel, strides=config.conv_stride, normalise=normalise)
        self.backbone.requires_grad_(not frozen)

    @property
    def learns(self) -> bool:
        """Whether the model, or what was put into it, is trained."""
        return any(weight.requires_grad for weight in self.backbone.parameters())

    def train(self, mode: bool = True) -> "Backbone":
        """Set training mode, in which a model that does not learn stays in evaluation."""
        super().train(mode)
        self.backbone.train(mode and self.learns)
        return self

    def num_frames(self, num_samples: int) -> int:
        """Return how many frames ``num_samples`` give; zero when none."""
        return self.input.num_frames(num_samples)

    def layers(self, waveforms: torch.Tensor) -> list[torch.Tensor]:
        """Return what goes into the first layer, then what comes out of each, for float32 ``[batch, samples]``.

        They are ``[batch, frames, width]`` each. The model computes in the precision of autocast.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.learns):
            made = self.backbone(self.input(waveforms), output_hidden_states=True)
        layers = [*made.hidden_states[:-1], made.last_hidden_state]  # the last one after the final norm
        assert len(layers) == self.num_layers, f"{len(layers)} layers, {self.num_layers} expected"
        return layers


class SelfSupervised(Backbone):
    """Sum of a model's layers, with weights that are learnt.

    Parameters
    ----------
    dim : int
        Width of the model's layers.
    model : str
        Folder as ``save_pretrained`` writes it, or name on the Hugging Face hub. Only safetensors are read, and no
        code that comes with a model.
    sample_rate : int
        Of the waveforms, in Hz.
    frozen : bool
        Train the weights of the sum only; the model stays as it is in evaluation.
    normalise : bool
        Give the model waveforms, or mels in the case of W2V-BERT, of mean zero and variance one: what its
        ``preprocessor_config.json`` calls ``do_normalize`` (W2V-BERT: always).
    layer_norm : bool
        Normalise each layer's frames before the sum.
    mean_norm : bool
        Subtract the sum's mean over the utterance.

    Raises
    ------
    ImportError
        Without the package's extra ``ssl``.
    ValueError
        For another kind of model, or another width or sample rate than the model's.

    References
    ----------
    S. Yang et al., "SUPERB: speech processing universal performance benchmark", Interspeech 2021 (the sum);
    S. Chen et al., "WavLM", IEEE JSTSP 2022; A. Baevski et al., "wav2vec 2.0", NeurIPS 2020; W.-N. Hsu et al.,
    "HuBERT", IEEE/ACM TASLP 2021; Seamless Communication, "Seamless: multilingual expressive and streaming speech
    translation", arXiv:2312.05187 (W2V-BERT 2.0). Mean: wenet-e2e/wespeaker,
    ``examples/voxceleb/v2/conf/ecapa_tdnn_WavLM_frozen.yaml`` (``cmvn``).
    """

    def __init__(
        self,
        *,
        dim: int,
        model: str,
        sample_rate: int,
        frozen: bool,
        normalise: bool,
        layer_norm: bool,
        mean_norm: bool = False,
    ) -> None:
        super().__init__(dim=dim, model=model, sample_rate=sample_rate, frozen=frozen, normalise=normalise, num_parts=1)
        self.layer_norm = layer_norm
        self.norm = MeanNorm() if mean_norm else torch.nn.Identity()
        self.layer_weights = torch.nn.Parameter(torch.zeros(self.num_layers))
        self.train()

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map float32 ``[batch, samples]`` or ``[samples]`` in [-1, 1] to float32 ``[batch, frames, dim]``.

        The model computes in the precision of autocast, the sum in float32.
        """
        if waveforms.dim() == 1:
            return self(waveforms.unsqueeze(0)).squeeze(0)
        return self.norm(self._sum(self.layers(waveforms)))

    def _sum(self, layers: Sequence[torch.Tensor]) -> torch.Tensor:
        total = torch.zeros_like(layers[0], dtype=torch.float32)
        for weight, layer in zip(self.layer_weights.softmax(dim=0), layers, strict=True):
            frames = layer.float()
            if self.layer_norm:
                frames = torch.nn.functional.layer_norm(frames, (self.dim,))
            total = total + weight * frames
        return total


class Waveforms(torch.nn.Module):
    """Input of models that begin with convolutions over samples."""

    def __init__(self, *, kernels: Sequence[int], strides: Sequence[int], normalise: bool) -> None:
        super().__init__()
        self.sizes = list(zip(kernels, strides, strict=True))
        self.norm = InstanceNorm(offset=NORM_OFFSET) if normalise else torch.nn.Identity()
        self.min_samples = 1
        for kernel, stride in reversed(self.sizes):
            self.min_samples = (self.min_samples - 1) * stride + kernel

    def num_frames(self, num_samples: int) -> int:
        """Return how many frames come out of the convolutions."""
        for kernel, stride in self.sizes:
            num_samples = max(0, 1 + (num_samples - kernel) // stride)
        return num_samples

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map ``[batch, samples]`` to the same shape."""
        check_waveforms(waveforms, min_samples=self.min_samples, name="SelfSupervised")
        return self.norm(waveforms.unsqueeze(-1)).squeeze(-1)


class MelPairs(torch.nn.Module):
    """Input of W2V-BERT 2.0: normalised Kaldi mels, two frames side by side; an odd last frame is left out."""

    def __init__(self, *, num_mels: int) -> None:
        super().__init__()
        self.fbank = Fbank(
            dim=num_mels,
            sample_rate=SAMPLE_RATE,
            frame_length_ms=25.0,
            frame_shift_ms=10.0,
            window="povey",
            low_hz=20.0,
            high_hz=0.0,
            mean_norm=False,
        )
        self.norm = MeanVarNorm(offset=NORM_OFFSET)
        self.min_samples = self.fbank.frame_samples + self.fbank.shift_samples

    def num_frames(self, num_samples: int) -> int:
        """Return how many pairs of frames there are."""
        return self.fbank.num_frames(num_samples) // 2

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map ``[batch, samples]`` to ``[batch, pairs, 2 * num_mels]``."""
        check_waveforms(waveforms, min_samples=self.min_samples, name="SelfSupervised")
        mels = self.norm(self.fbank(waveforms))
        pairs = self.num_frames(waveforms.shape[-1])
        return mels[:, : 2 * pairs].reshape(len(mels), pairs, 2 * self.fbank.dim)


def _load(model: str) -> Any:
    """Return the model in float32."""
    try:
        from transformers import AutoConfig, AutoModel
    except ImportError as error:
        raise ImportError(
            "Self-supervised features need the package transformers. At features.front_end. Install AVIS with its "
            "extra: pip install 'avis[ssl]'."
        ) from error
    source = {"local_files_only": os.path.isdir(model), "trust_remote_code": False}
    config = AutoConfig.from_pretrained(model, **source)
    if config.model_type not in MODEL_TYPES or getattr(config, "add_adapter", False):
        raise ValueError(
            f"Unknown kind of model: got model={model} of type {config.model_type!r}, expected one of {MODEL_TYPES} "
            "without adapter. At features.front_end.model. Take one of these."
        )
    config.update(TRAINING_OPTIONS)
    return AutoModel.from_pretrained(model, config=config, dtype=torch.float32, use_safetensors=True, **source)
