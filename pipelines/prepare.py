"""Decode, check and shard corpora: audio files -> utterances store.

Three examples, the last of which decodes only what is new or changed since:
    python pipelines/prepare.py
    python pipelines/prepare.py corpus=folder corpus.root=<folder>
    python pipelines/prepare.py corpus=folder corpus.root=<folder> extends=<store>

Five settings that matter:
    corpus=<choice>                layout of the recordings: voxceleb, libri_speech, kaldi, manifest, ...
    sharding.encoding=<name>       flac, which is small, or pcm16, which needs no decoding
    sharding.vad=<name>            energy or silero finds the speech; sharding.trim=ends or all cuts away the rest
    sharding.max_reject_share=<x>  share of the files that may be unusable
    output_dir=<folder>            where stores lie: a path or a URI
"""

from omegaconf import DictConfig

from avis import store
from avis.engine.config import resolve
from avis.engine.entry import pipeline
from avis.engine.prepare import prepare
from avis.engine.prepare_recipe import PrepareRecipe


@pipeline("prepare")
def main(cfg: DictConfig) -> None:
    """Make the store and say where it is."""
    utterances = prepare(PrepareRecipe.of(resolve(cfg)))
    rows = store.open_manifest(utterances)["rows"]
    print(f"{rows['utterances']} utterances, {rows['rejects']} rejects: {utterances}")


if __name__ == "__main__":
    main()
