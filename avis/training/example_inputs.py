"""What those who make a training's examples are given, apart from what gathers it and loads Ray Data and the recipe."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from avis.augment.bank import Bank
from avis.training.example_settings import ExampleSettings
from avis.training.examples import ExampleMaker
from avis.training.plan import Plan, Portion
from avis.training.stored import StoredExamples


@dataclass(frozen=True, kw_only=True)
class ExampleInputs:
    """What the tasks that make examples need, put into the object store once.

    Attributes
    ----------
    settings : ExampleSettings
    plan : Plan
        Order of the training utterances.
    speakers : dict of str to int
        Number of each training speaker.
    banks : dict of str to Bank
        What augmentation draws from.
    stored : str or None
        URI of the features of ``features.placement=materialize``.
    """

    settings: ExampleSettings
    plan: Plan
    speakers: dict[str, int]
    banks: dict[str, Bank]
    stored: str | None

    def source(self) -> ExampleMaker | StoredExamples:
        """Return what makes the examples of the plan's blocks, or reads them."""
        if self.stored is None:
            return self.settings.build_maker()
        return StoredExamples(self.stored, copies=self.settings.features.copies, speeds=self.settings.speeds)

    def make(self, source: ExampleMaker | StoredExamples, rows: pa.Table, portion: Portion) -> dict[str, np.ndarray]:
        """Make the examples of a portion of the rows of its block."""
        own = rows.slice(portion.start, portion.stop - portion.start)
        return source.make(own, pass_=portion.pass_, speakers=self.speakers, banks=self.banks)
