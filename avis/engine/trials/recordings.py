"""Find recordings of a store by their ids, wherever they lie in it, and read some of them."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avis import store
from avis.audio.codec import FLAC_MAGIC, pack, read_values
from avis.audio.recording import Recording

QUALITY = ("speech_s", "snr_db", "clip_ratio", "rms_dbfs", "dc_offset", "bandwidth_hz")
"""Columns of the utterances that `avis.audio.quality.measure` and the voice activity detection filled."""


class Place(NamedTuple):
    """Where a recording lies: in which file, and in which of its row groups."""

    uri: str
    group: int


def find_recordings(utterances: str, wanted: Collection[str]) -> dict[str, Place]:
    """Return where some utterances of a store lie."""
    ids, places = pa.array(sorted(wanted), pa.string()), {}
    for uri in store.part_uris(utterances, "utterances"):
        part = store.open_part(uri)
        names = part.read(["utt_id"])["utt_id"]
        sizes = [part.metadata.row_group(group).num_rows for group in range(part.num_row_groups)]
        groups = np.repeat(np.arange(len(sizes)), sizes)
        found = np.asarray(pc.is_in(names, value_set=ids))
        for name, group in zip(names.filter(pa.array(found)).to_pylist(), groups[found].tolist(), strict=True):
            places[name] = Place(uri, group)
    return places


def read_recordings(places: Mapping[str, Place]) -> dict[str, dict[str, Any]]:
    """Read utterances from where they lie, each row group once: their rows by their ids."""
    rows = {}
    columns = ["utt_id", "audio", "num_samples", "sample_rate", *QUALITY]
    for place in sorted(set(places.values())):
        group = store.read_row_group(store.open_part(place.uri), place.uri, place.group, columns)
        here = pa.array([name for name, where in places.items() if where == place])
        for row in group.filter(pc.is_in(group["utt_id"], value_set=here)).to_pylist():
            rows[row["utt_id"]] = row
    return rows


def as_taken_in(row: Mapping[str, Any]) -> Recording:
    """Return a stored utterance as the recording that was taken in when the store was made."""
    values = read_values(row["audio"], start=0, num=row["num_samples"])
    return Recording(values, {name: row[name] for name in QUALITY}, np.array([[0, len(values)]]))


def as_flac(row: Mapping[str, Any]) -> bytes:
    """Return a stored utterance as a FLAC file."""
    audio: bytes = row["audio"]
    if audio[:4] == FLAC_MAGIC:
        return audio
    values = read_values(audio, start=0, num=row["num_samples"])
    return pack(values, sample_rate=row["sample_rate"], encoding="flac")
