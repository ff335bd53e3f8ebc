"""Take all layers of a self-supervised speech model, one beside the other, for models that read them apart."""

import math
from typing import Any

import torch
from torch.nn import functional

from avis.features.self_supervised import Backbone

ADAPTED = ("linear_q", "linear_v")
"""What W2V-BERT 2.0 calls its queries' and values' projections."""


class SelfSupervisedLayers(Backbone):
    """What goes into the first layer of a model and comes out of each, side by side.

    A frozen model can be given low-rank updates of the projections that make its queries and values. Weights of such a
    front end, loaded into one without, are the model's and the updates together.

    Parameters
    ----------
    dim : int
        Width of the model's layers, times one more than it has.
    model, sample_rate, normalise
        See `avis.features.self_supervised.SelfSupervised`.
    frozen : bool
        Train no weights of the model, which stays as it is in evaluation; with low-rank updates these are trained, and
        the model's dropout is in training.
    lora_rank : int
        Of the updates; 0 for none.
    lora_alpha : float
        Their scale, times ``lora_rank``.

    Raises
    ------
    ImportError
        Without the package's extra ``ssl``.
    ValueError
        For another kind of model, another width or sample rate than the model's, or updates of a model other than
        W2V-BERT 2.0 or of one that is trained whole.

    References
    ----------
    E. Hu et al., "LoRA: low-rank adaptation of large language models", ICLR 2022, https://arxiv.org/abs/2106.09685;
    in W2V-BERT 2.0: wenet-e2e/wespeaker, ``wespeaker/frontend/w2vbert.py``.
    """

    def __init__(
        self,
        *,
        dim: int,
        model: str,
        sample_rate: int,
        frozen: bool,
        normalise: bool,
        lora_rank: int,
        lora_alpha: float,
    ) -> None:
        super().__init__(
            dim=dim, model=model, sample_rate=sample_rate, frozen=frozen, normalise=normalise, num_parts=None
        )
        self.register_load_state_dict_pre_hook(_merge)
        if lora_rank:
            found = [module for module in self.backbone.modules() if any(hasattr(module, name) for name in ADAPTED)]
            if not found or not frozen:
                raise ValueError(
                    f"low-rank updates are of a frozen W2V-BERT: got lora_rank={lora_rank} with frozen={frozen} for "
                    f"{model}, expected 0. At features.front_end.lora_rank. Set it to 0, or freeze a W2V-BERT."
                )
            for module in found:
                for name in ADAPTED:
                    setattr(module, name, LowRankLinear(getattr(module, name), rank=lora_rank, alpha=lora_alpha))
        self.train()

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map float32 ``[batch, samples]`` or ``[samples]`` in [-1, 1] to float32 ``[batch, frames, dim]``."""
        if waveforms.dim() == 1:
            return self(waveforms.unsqueeze(0)).squeeze(0)
        return torch.cat(self.layers(waveforms), dim=-1).float()


class LowRankLinear(torch.nn.Linear):
    """A linear layer, not trained, plus the product of two small matrices, which are.

    Parameters
    ----------
    linear : torch.nn.Linear
        The layer; its weights are taken over.
    rank : int
        Rows of the first matrix.
    alpha : float
        The product is scaled by ``alpha / rank``.

    References
    ----------
    Hu et al., 2022, section 4.1: the first matrix begins at random, the second at zero.
    """

    scale: torch.Tensor

    def __init__(self, linear: torch.nn.Linear, *, rank: int, alpha: float) -> None:
        super().__init__(linear.in_features, linear.out_features, bias=linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.lora_a = torch.nn.Parameter(torch.empty(rank, linear.in_features))
        self.lora_b = torch.nn.Parameter(torch.zeros(linear.out_features, rank))
        self.register_buffer("scale", torch.tensor(alpha / rank))
        torch.nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``[..., in_features]`` to ``[..., out_features]``."""
        update = functional.linear(functional.linear(x, self.lora_a), self.lora_b)
        return super().forward(x) + self.scale * update


def _merge(front_end: SelfSupervisedLayers, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Add low-rank updates that are to be loaded to the weights that they update, where there is no place for them."""
    own = {f"{prefix}{name}" for name, _ in front_end.named_parameters()}
    for key in [key for key in state if key.startswith(prefix) and key.endswith(".lora_a") and key not in own]:
        layer = key.removesuffix("lora_a")
        down, up, scale = (state.pop(f"{layer}{name}") for name in ("lora_a", "lora_b", "scale"))
        state[f"{layer}weight"] = state[f"{layer}weight"] + scale * up @ down
