"""Refuse relative paths in a submitted job, which stands in an upload of the user's folder."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from avis import location
from avis.checkpoints.components import leaves

UPLOADS = "working_dir_files"
"""Where Ray unpacks what ``--working-dir`` uploads, in a folder named by its hash."""

OF_AUDIO = re.compile(r"(?:corpus|augment)\.(?:.+\.)?(?:\w*root|audio)")


def check_paths(plain: Mapping[str, Any]) -> None:
    """Refuse relative paths of audio and of outputs where they would lead into an upload.

    Lists of trials may lie there: they are small, and only the driver reads them.

    Parameters
    ----------
    plain : mapping
        A composed configuration.

    Raises
    ------
    ValueError
        Naming the key.
    """
    if UPLOADS not in Path.cwd().parts:
        return
    shortest_first = sorted(_paths(plain), key=lambda found: found[0].count("."))
    for key, path in shortest_first:
        if not location.is_uri(path) and not os.path.isabs(os.path.expanduser(path)):
            raise ValueError(
                f"relative path in a submitted job: got {key}={path}, expected an absolute path or a URI, since the "
                "job runs in an upload of your folder, which is another after each edit and holds no data. "
                f"At {key}. Give {key}=<path that all nodes share>, or a bucket (s3://...)."
            )


def _paths(plain: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the paths that must not lie in an upload by their keys; relative ones of a list start where it lies."""
    values = leaves({"output_dir": plain.get("output_dir"), **{key: plain.get(key) for key in ("corpus", "augment")}})
    for key, value in values.items():
        is_start = key.endswith(".path") and values.get(f"{key.removesuffix('path')}root", "") is None
        if isinstance(value, str) and (key == "output_dir" or OF_AUDIO.fullmatch(key) or is_start):
            yield key, value
