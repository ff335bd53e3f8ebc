"""Compute the features of a training before it starts: some augmented copies of every utterance, once."""

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
from hydra.utils import instantiate

import avis
from avis import location, store
from avis.augment.bank import Bank
from avis.digest import fingerprint
from avis.engine.workers.parts import run_parts, shared_by_workers
from avis.training.examples import COLUMNS, ExampleMaker
from avis.training.plan import RowGroup
from avis.training.stored import copy_part, stored_rows


class CopyMaker:
    """Make one copy of the examples of one file of utterances; see `avis.engine.workers.parts.PartMaker`."""

    def __init__(self, maker: Callable[[], ExampleMaker], banks: Callable[[], Mapping[str, Bank]]) -> None:
        self.maker, self.banks = maker(), banks()

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
    recipe: dict[str, Any],
    utterances: str,
    groups: list[RowGroup],
    maker: Callable[[], ExampleMaker],
    banks: Mapping[str, Bank],
) -> str:
    """Write the features of the training utterances, or what is missing of them, and return their URI.

    They lie in a folder named by the hash of all that makes them, and serve every training that asks for the same.

    Parameters
    ----------
    recipe : dict
    utterances : str
        The store they are made from.
    groups : list of RowGroup
        Of the training split.
    maker : callable
        Builds what makes the examples, on a worker.
    banks : dict
        What augmentation draws from.
    """
    compute, copies = instantiate(recipe["compute"]), recipe["features"]["copies"]
    kept = ("crop_s", "speeds", "babble_utterances")
    made_from = {
        "features": recipe["features"],
        "augment": recipe["augment"],
        **{key: recipe["trainer"][key] for key in kept},
    }
    inputs = fingerprint([avis.__version__, recipe["seed"], made_from, os.path.basename(utterances)])
    uri = location.join(location.absolute(recipe["output_dir"]), "features", inputs)
    if store.finished(uri, inputs):
        return uri
    parts = sorted({group.uri for group in groups})
    tasks = {
        copy_part(part, copy): pa.table({"uri": [part], "copy": [copy]}) for copy in range(copies) for part in parts
    }
    make = functools.partial(CopyMaker, maker, shared_by_workers(banks, compute))
    rows = max(group.num_rows for group in groups)
    run_parts(uri, tasks, make, compute=compute, label=f"features, {copies} copies", row_group_rows=rows)
    store.finish(uri, parts=tasks, inputs=inputs, facts={"utterances": utterances, "recipe": made_from})
    return uri
