"""Serve a verifier: people are compared, named, enrolled and explained over HTTP, on this machine or for others.

    python pipelines/serve.py verifier=outputs/runs/mine                  # http://127.0.0.1:8000, without tokens
    python pipelines/serve.py verifier=outputs/runs/mine gallery=outputs/ours port=8443 tokens=tokens.yaml

It is started by one process, and ended by Ctrl-C or SIGTERM. /docs says what there is to ask.
"""

from omegaconf import DictConfig

from avis.engine.config import resolve
from avis.engine.entry import pipeline
from avis.serving.settings import Settings
from avis.serving.start import run


@pipeline("serve")
def main(cfg: DictConfig) -> None:
    """Serve until told to stop."""
    run(Settings.of(resolve(cfg)))


if __name__ == "__main__":
    main()
