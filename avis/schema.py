"""Name the columns, types, axes and units of every table and batch: the glossary, in code.

Axes are spelled ``[batch, samples]``, ``[batch, frames, mels]``, ``[batch, dim]``; frames come before mels.
Unit suffixes: ``_s _ms _db _dbfs _hz _samples _frames``; ``num_`` counts. ``sample_rate`` is always in Hz.
Tables are Parquet with plain Arrow types only, so that any tool reads them.
"""

from collections.abc import Iterable

import pyarrow as pa

SCHEMA_VERSION = 2
"""Changes whenever a table below changes in a way that a reader would notice."""

SOURCES = pa.schema(
    [
        pa.field("utt_id", pa.string(), nullable=False),
        pa.field("speaker", pa.string(), nullable=False),
        pa.field("session", pa.string(), nullable=False),
        pa.field("corpus", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("start_s", pa.float64(), nullable=False),
        pa.field("end_s", pa.float64()),
        pa.field("channel", pa.int32()),
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("modified_ns", pa.int64(), nullable=False),
        pa.field("attributes", pa.map_(pa.string(), pa.string()), nullable=False),
    ]
)
"""One row per utterance of a corpus, before anything is decoded: an audio file, or a stretch of one.

The stretch is ``start_s`` to ``end_s`` in seconds of the file, null meaning its end; ``channel`` counts from 1, null
where the corpus doesn't tell channels apart. ``utt_id`` is ``<corpus>/<name>``, the name being the path below the root
without the audio suffix unless the corpus has names of its own; ``speaker`` is ``<corpus>/<speaker>``;
``session`` is ``<speaker>/<session>``, all globally unique and in the form in which `avis.names` compares them; both
are empty where nobody knows who speaks, which no two recordings have in common.
``split`` is ``train`` or ``test``.
"""

PLACED = SOURCES.append(pa.field("duplicate_of", pa.string()))
"""The ``sources`` of a store: what its shards were made from, row by row.

``split`` may be ``validation`` here; ``duplicate_of`` is the path that took the row's ``utt_id``, null if none did.
"""

UTTERANCES = pa.schema(
    [
        pa.field("utt_id", pa.string(), nullable=False),
        pa.field("speaker", pa.string(), nullable=False),
        pa.field("session", pa.string(), nullable=False),
        pa.field("corpus", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("audio", pa.large_binary(), nullable=False),
        pa.field("num_samples", pa.int64(), nullable=False),
        pa.field("sample_rate", pa.int32(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("speech_s", pa.float32()),
        pa.field("snr_db", pa.float32()),
        pa.field("clip_ratio", pa.float32()),
        pa.field("rms_dbfs", pa.float32()),
        pa.field("dc_offset", pa.float32()),
        pa.field("bandwidth_hz", pa.float32()),
        pa.field("attributes", pa.map_(pa.string(), pa.string()), nullable=False),
    ]
)
"""One row per usable utterance; ``audio`` is FLAC or little-endian PCM16 at the store's rate, mono."""
INDEX, HEAVY = "index", frozenset({"audio"})
"""Table of all columns of the utterances but the heavy ones, which lie between the others there: it takes one read."""

REJECTS = pa.schema(
    [
        pa.field("utt_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ]
)
"""One row per input that did not become an utterance; ``reason`` is one of `REJECT_REASONS`."""

REJECT_REASONS = (
    "unreadable",
    "empty",
    "truncated",
    "more_than_read",
    "silent",
    "no_speech",
    "too_short",
    "duplicate_id",
    "non_finite",
    "over_scale",
    "crashes_decoder",
)


FEATURES = pa.schema(
    [
        pa.field("utt_id", pa.string(), nullable=False),
        pa.field("speaker", pa.string(), nullable=False),
        pa.field("speed", pa.float64(), nullable=False),
        pa.field("features", pa.large_binary(), nullable=False),
        pa.field("num_frames", pa.int32(), nullable=False),
    ]
)
"""One row per augmented copy of an utterance; ``features`` are float16 ``[frames, mels]``, ``speed`` its factor."""


def embeddings_schema(dim: int) -> pa.Schema:
    """Return the schema of an embeddings table of ``dim`` values per utterance."""
    return pa.schema(
        [
            pa.field("utt_id", pa.string(), nullable=False),
            pa.field("embedding", pa.list_(pa.float32(), dim), nullable=False),
        ]
    )


def acoustics_schema(attributes: Iterable[str]) -> pa.Schema:
    """Return the schema of a table of what can be heard, a column for each attribute, null where it is not known."""
    return pa.schema(
        [pa.field("utt_id", pa.string(), nullable=False), *(pa.field(name, pa.float64()) for name in attributes)]
    )


def enrolled_schema(dim: int) -> pa.Schema:
    """Return the schema of the recordings of a gallery of ``dim`` values per embedding, a row for each."""
    return pa.schema(
        [
            pa.field("speaker", pa.string(), nullable=False),
            pa.field("recording", pa.string(), nullable=False),
            pa.field("sha256", pa.string(), nullable=False),
            pa.field("enrolled_at", pa.timestamp("us", tz="UTC"), nullable=False),
            pa.field("consent", pa.string()),
            pa.field("keep_until", pa.date32()),
            pa.field("speech_s", pa.float32(), nullable=False),
            pa.field("snr_db", pa.float32()),
            pa.field("clip_ratio", pa.float32()),
            pa.field("bandwidth_hz", pa.float32()),
            pa.field("embedding", pa.list_(pa.float32(), dim), nullable=False),
            pa.field("audio", pa.large_binary()),
        ]
    )


TRIALS = pa.schema(
    [
        pa.field("enroll", pa.string(), nullable=False),
        pa.field("test", pa.string(), nullable=False),
        pa.field("target", pa.bool_()),
    ]
)
"""One row per trial; ``target`` is null where the answer is not known. Condition columns may follow."""

ENROLMENTS = pa.schema(
    [
        pa.field("enroll_model", pa.string(), nullable=False),
        pa.field("utt_id", pa.string(), nullable=False),
    ]
)
"""One row per utterance of an enrolment model; where these are given, a trial's ``enroll`` names a model."""

SCORES = pa.schema(
    [
        *TRIALS,
        pa.field("enroll_speaker", pa.string()),
        pa.field("test_speaker", pa.string()),
        pa.field("duration", pa.string(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("score_norm", pa.float32(), nullable=False),
        pa.field("llr_uncapped", pa.float32(), nullable=False),
        pa.field("llr", pa.float32(), nullable=False),
        pa.field("accept", pa.bool_(), nullable=False),
        pa.field("expected_cost", pa.float32(), nullable=False),
    ]
)
"""Trials and their condition columns, then speakers and scores; higher means more likely the same speaker.

Speakers are null where they are not known. ``duration`` is the band of the shorter side's seconds of speech, one of
`DURATION_BANDS`, of an enrolment model all utterances together. ``score`` is the back-end's own; ``score_norm``,
``llr`` (natural logarithm of the likelihood ratio, as far as the calibration trials bear it out), ``llr_uncapped`` (the
same beyond that: it says which of two trials is the stronger, but not by how much), ``accept`` and ``expected_cost``
are there only where score normalisation, calibration and an operating point are configured.
"""

EXPLAINED = pa.schema(
    [
        pa.field("number", pa.int64(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("score_again", pa.float64()),
        pa.field("evidence", pa.float64()),
        pa.field("evidence_low", pa.float64()),
        pa.field("evidence_high", pa.float64()),
        pa.field("verbal", pa.string()),
        pa.field("num_warnings", pa.int32(), nullable=False),
        pa.field("explanation", pa.large_string(), nullable=False),
    ]
)
"""What explanations add to the columns of their trials in a scores table.

``number`` is the trial's row there, from 1; ``outcome``, ``score_again`` (the back-end's own), ``evidence`` (the
log-likelihood ratio), its interval and ``verbal`` are as the verifier says, null where too little is spoken;
``explanation`` is an `avis.explain.record.Explanation` as JSON.
"""

UNEXPLAINED = pa.schema(
    [
        pa.field("number", pa.int64(), nullable=False),
        pa.field("enroll", pa.string(), nullable=False),
        pa.field("test", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
    ]
)
"""Trials that could not be explained, and why."""

DURATION_EDGES_S = (1, 2, 5, 10)
DURATION_BANDS = ("0 to 1 s", "1 to 2 s", "2 to 5 s", "5 to 10 s", "above 10 s")
"""Seconds of speech, from each edge on up to the next; in alphabetical order."""

DECIDING_SCORES = ("llr_uncapped", "llr", "score_norm", "score")
"""Trials are ordered by the first of these columns that their table has."""
