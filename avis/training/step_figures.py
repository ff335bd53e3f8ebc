"""What each step came to, kept where it was computed and read for many steps at once: reading makes a GPU wait."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor


class Figures(NamedTuple):
    """What one step came to, over all workers.

    Attributes
    ----------
    epoch, step : int
        Which step of which epoch, from 0.
    global_step : int
        Steps before it.
    learning_rate : float
    loss, accuracy : float
    """

    epoch: int
    step: int
    global_step: int
    learning_rate: float
    loss: float
    accuracy: float


@dataclass
class StepFigures:
    """Steps that are not yet read.

    Each worker's loss counts alike, which makes the loss of the whole batch, and each decision.
    """

    places: list[tuple[int, int, int, float]] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    pending: list[Any] = field(default_factory=list)

    def add(self, loss: Tensor, correct: Tensor, *, epoch: int, step: int, global_step: int, rate: float) -> None:
        """Add a step, by this worker's loss and which of its decisions ``[decisions]`` were correct."""
        wide = loss.detach().to(torch.promote_types(loss.dtype, torch.float32))
        values = torch.stack([wide, correct.sum().to(wide.dtype), wide.new_full((), len(correct))])
        if dist.is_initialized():
            values[0] /= dist.get_world_size()
            self.pending.append(dist.all_reduce(values, async_op=True))
        self.places.append((epoch, step, global_step, rate))
        self.values.append(values)

    def read(self, *, exchanged_only: bool = False) -> list[Figures]:
        """Return the steps since the last call, and forget them.

        With ``exchanged_only`` those are left out that other workers have not come to, and may never.
        """
        places, values, pending = self.places, self.values, self.pending
        self.places, self.values, self.pending = [], [], []
        if exchanged_only and pending:
            num = next((at for at, work in enumerate(pending) if not work.is_completed()), len(pending))
            places, values, pending = places[:num], values[:num], pending[:num]
        for work in pending:
            work.wait()
        rows = torch.stack(values).tolist() if values else []
        return [
            Figures(*place, loss, correct / decisions)
            for place, (loss, correct, decisions) in zip(places, rows, strict=True)
        ]


def check_converging(figures: list[Figures]) -> None:
    """Refuse to go on from a loss that is no finite number.

    Raises
    ------
    ValueError
        With the first such step.
    """
    for each in figures:
        if not abs(each.loss) < float("inf"):
            raise ValueError(
                f"training diverged: got loss={each.loss}, expected a finite number. At epoch {each.epoch}, step "
                f"{each.step}. Lower optimizer.lr or lengthen the warm-up."
            )


def check_weights(weights: dict[str, Tensor], epoch: int) -> None:
    """Refuse weights of which some are no finite numbers.

    Raises
    ------
    ValueError
        With the name of one.
    """
    floats = {name: value for name, value in weights.items() if value.is_floating_point()}
    if not floats:
        return
    finite = torch.stack([torch.isfinite(value).all() for value in floats.values()]).tolist()
    for name, is_finite in zip(floats, finite, strict=True):
        if not is_finite:
            raise ValueError(
                f"training diverged: got weights {name!r} that are no numbers, expected finite ones. At epoch {epoch}. "
                "Lower optimizer.lr or lengthen the warm-up."
            )
