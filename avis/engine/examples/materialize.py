"""Compute the features of a training before it starts: some augmented copies of every utterance, once."""

import functools
from collections.abc import Callable, Mapping

import pyarrow as pa

import avis
from avis import location, store
from avis.augment.bank import Bank
from avis.digest import fingerprint
from avis.engine.workers.compute import Compute
from avis.engine.workers.parts import run_parts, shared_by_workers
from avis.training.example_settings import ExampleSettings
from avis.training.examples import COLUMNS
from avis.training.plan import RowGroup
from avis.training.stored import copy_part, stored_rows


class CopyMaker:
    """Make one copy of the examples of one file of utterances; see `avis.engine.workers.parts.PartMaker`."""

    def __init__(self, examples: ExampleSettings, banks: Callable[[], Mapping[str, Bank]]) -> None:
        self.maker, self.banks = examples.build_maker(), banks()

    def __call__(self, task: pa.Table) -> dict[str, pa.Table]:
        """Return the features of the file and the copy that the row of ``task`` names."""
        uri, copy = task["uri"][0].as_py(), task["copy"][0].as_py()
        part = store.open_part(uri)
        made = []
        for index in range(part.num_row_groups):
            rows = store.read_row_group(part, uri, index, COLUMNS).to_pylist()
            made.append(stored_rows(self.maker, rows, copy=copy, banks=self.banks))
        return {"features": pa.concat_tables(made)}


def materialize(
    examples: ExampleSettings,
    utterances: str,
    groups: list[RowGroup],
    banks: Mapping[str, Bank],
    *,
    output_dir: str,
    compute: Compute,
) -> str:
    """Write the features of the training utterances, or what is missing of them, and return their URI.

    They lie in a folder named by the hash of all that makes them, and serve every training that asks for the same.

    Parameters
    ----------
    examples : ExampleSettings
    utterances : str
        URI of the store they are made from.
    groups : list of RowGroup
        Row groups of the training split.
    banks : dict of str to Bank
        What augmentation draws from.
    output_dir : str
        Folder below which they lie.
    compute : Compute
    """
    copies = examples.features.copies
    inputs = fingerprint([avis.__version__, examples.seed, examples.plain, location.stem(utterances)])
    uri = location.join(output_dir, "features", inputs)
    if store.finished(uri, inputs):
        return uri
    parts = sorted({group.uri for group in groups})
    tasks = {
        copy_part(part, copy): pa.table({"uri": [part], "copy": [copy]}) for copy in range(copies) for part in parts
    }
    make = functools.partial(CopyMaker, examples, shared_by_workers(banks, compute))
    rows = max(group.num_rows for group in groups)
    run_parts(uri, tasks, make, compute=compute, label=f"features, {copies} copies", row_group_rows=rows)
    store.finish(uri, parts=tasks, inputs=inputs, facts={"utterances": utterances, "recipe": examples.plain})
    return uri
