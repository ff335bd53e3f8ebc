"""Turn corpora into an utterances store: decode, check, shard to Parquet."""

import math
import time
from collections.abc import Collection
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import avis
from avis import location, store
from avis.checkpoints.components import Component
from avis.digest import fingerprint, table_digest
from avis.engine.prepare_recipe import PrepareRecipe
from avis.engine.shards.extension import Extension, extendable, plan_extension
from avis.engine.shards.places import wherever_they_lie
from avis.engine.shards.shard_maker import ShardMaker
from avis.engine.shards.sharding import EXAMPLES_SHOWN, Sharding, pass_over, plan_shards
from avis.engine.workers.gauges import REJECTED, set_gauges
from avis.engine.workers.parts import run_parts
from avis.schema import REJECTS
from avis.structured_log import LOG


def prepare(recipe: PrepareRecipe, *, seen: Collection[str] = ()) -> str:
    """Write the utterances store of the configured corpora, or what is missing of it, and return its URI.

    The store lies in a folder named by the hash of its inputs (the files' names, sizes and times, and the sharding),
    so that it is found again, wherever the corpora have moved to, and other inputs never overwrite it. With
    ``extends``, shards of that store whose files are as they were are taken over where they lie, and only the others
    are made.

    Parameters
    ----------
    recipe : PrepareRecipe
    seen : collection of str
        Speakers that are not held out where others can be, since models that a training comes from were trained on
        them. Where none of them would be, the store is the same as without.

    Raises
    ------
    ValueError
        If a speaker is in both train and test, more files were rejected than `Sharding` allows, the store to extend
        was made with other settings, or too few speakers are left to be held out.
    StorageError
        If files could not be reached; what could be made of the others is kept.
    """
    LOG.stage = "prepare"
    sharding, base = recipe.sharding, recipe.extends
    listed = {name: _list_corpus(name, corpus) for name, corpus in recipe.corpora.items()}
    sources = pa.concat_tables(listed.values())
    of_base = [store.open_manifest(base)["inputs"]] if base else []
    passed_over = pass_over(sources, sharding, seen=seen) if seen and not base else []
    held_back = [passed_over] if passed_over else []
    files = table_digest(wherever_they_lie(sources))
    inputs = fingerprint([avis.__version__, sharding.made_from, files, *of_base, *held_back])
    uri = location.join(recipe.output_dir, "stores", inputs)
    if manifest := store.finished(uri, inputs):
        _check_rejects(uri, manifest["files"], len(sources), sharding.max_reject_share)
        return uri
    extension = plan_extension(base, sources, sharding) if base else None
    if base and extension and not extension.differs:
        print(f"{base} has these files: there is nothing to add")
        return base
    tasks, taken_over = _plan(uri, sources, sharding, passed_over, base, extension)
    make = partial(ShardMaker, sharding.hearing, encoding=sharding.encoding)
    run_parts(
        uri,
        tasks,
        make,
        compute=recipe.compute,
        label="prepare",
        row_group_rows=sharding.row_group_rows,
        reads={f"corpus.sources.{name}": file for name, table in listed.items() if (file := _one_there(table))},
    )
    made = {file: info for record in store.committed_parts(uri).values() for file, info in record.items()}
    _check_rejects(uri, {**taken_over, **made}, len(sources), sharding.max_reject_share)
    facts = {"avis": avis.__version__, "sharding": vars(sharding), **({"extends": of_base[0]} if base else {})}
    store.finish(uri, parts=tasks, inputs=inputs, facts=facts, taken_over=taken_over)
    return uri


def _list_corpus(name: str, corpus: Component[Any]) -> pa.Table:
    print(f"listing corpus {name}", flush=True)
    started = time.perf_counter()
    sources = corpus.build().sources()
    print(f"corpus {name}: {len(sources)} recordings listed in {time.perf_counter() - started:.0f} s", flush=True)
    return sources


def _one_there(sources: pa.Table) -> str | None:
    there = sources.filter(pc.greater_equal(sources["size_bytes"], 0))
    return there["path"][0].as_py() if len(there) else None


def _plan(
    uri: str,
    sources: pa.Table,
    sharding: Sharding,
    passed_over: list[str],
    base: str | None,
    extension: Extension | None,
) -> tuple[dict[str, pa.Table], dict[str, dict[str, Any]]]:
    """Return the shards to make and the files to take over, and say how a store that is there already differs."""
    if base and extension:
        print(f"took over {extension.num_unchanged} shards of {base}; {extension}")
        return extension.tasks, store.take_over(base, uri, extension.unchanged_files)
    tasks = plan_shards(sources, sharding, passed_over=passed_over)
    if passed_over:
        print(f"held out are speakers that no model before was trained on: {len(passed_over)} were passed over")
    elif not location.exists(uri) and (extensible := extendable(location.parent(uri), sources, sharding)):
        before, since = extensible
        decodes = f"{since} since {before}: extends={before} decodes only those"
        print(decodes if since.differs else f"{before} has these files: extends={before} takes it as it is")
    return tasks, {}


def _check_rejects(uri: str, files: dict[str, dict[str, Any]], num_sources: int, max_share: float) -> None:
    uris = [
        store.file_uri(uri, file, info) for file, info in files.items() if file.startswith("rejects/") and info["rows"]
    ]
    rejects = pa.concat_tables([REJECTS.empty_table(), *(store.open_part(rejected).read() for rejected in uris)])
    set_gauges({REJECTED: rejects.num_rows / num_sources}, stage="prepare")
    if rejects.num_rows <= math.ceil(round(max_share * num_sources, 6)):  # of a few files one may be, too
        return
    counts = rejects["reason"].value_counts().to_pylist()
    reasons = ", ".join(f"{row['counts']} {row['values']}" for row in counts)
    examples = "; ".join(
        f"{row['path']}: {row['detail'].rstrip('.')}" for row in rejects.slice(0, EXAMPLES_SHOWN).to_pylist()
    )
    raise ValueError(
        f"too many rejects: got {rejects.num_rows} of {num_sources} files ({reasons}), expected at most "
        f"{max_share:.1%}. At {uri}/rejects; {examples}. Mend the files, or do without them by "
        f"sharding.max_reject_share={math.ceil(100 * rejects.num_rows / num_sources) / 100}."
    )
