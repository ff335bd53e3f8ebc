"""Serve a verifier: people are compared, named, enrolled and explained over HTTP and WebSocket.

Three examples:
    python pipelines/serve.py verifier=outputs/runs/mine
    python pipelines/serve.py verifier=outputs/runs/mine gallery=outputs/ours tokens=tokens.yaml port=8443
    python pipelines/serve.py verifier=outputs/runs/mine limits.upload_mb=5 replicas.models=[1,2] audit=none

Five settings that matter:
    verifier=<folder>    of a run, or of its verifier
    gallery=<folder>     who is enrolled
    host=<address>       127.0.0.1 for this machine alone; another takes tokens
    port=<number>        where it listens
    tokens=<file>        who may do what; AVIS_TOKEN in the environment is for everything

One process starts it, and Ctrl-C or SIGTERM ends it. /docs says what there is to ask.
"""

from omegaconf import DictConfig

from avis.engine.config import resolve
from avis.engine.entry import pipeline
from avis.serving.settings import Settings
from avis.serving.start import run


@pipeline("serve")
def main(cfg: DictConfig) -> None:
    """Serve until told to stop."""
    resolved = resolve(cfg)
    run(Settings.of({name: resolved[name] for name in Settings.model_fields}))


if __name__ == "__main__":
    main()
