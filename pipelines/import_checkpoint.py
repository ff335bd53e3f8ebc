r"""Turn a checkpoint of another toolkit into one of AVIS: weights -> checkpoint.

Three examples; score.py takes what they write:
    python pipelines/import_checkpoint.py source=wespeaker_resnet weights=<avg_model.pt> checkpoint=<new file>
    python pipelines/import_checkpoint.py source=speechbrain_ecapa weights=<embedding_model.ckpt> checkpoint=<new file>
    python pipelines/import_checkpoint.py source=nemo_titanet weights=<model.nemo> checkpoint=<new file> \
        scoring=cosine_as_norm

Five settings that matter:
    source=<choice>         the toolkit and the model
    weights=<file>          of the other toolkit: named tensors that torch.save wrote, or an archive of NeMo
    checkpoint=<file>       the file to write
    features=<choice>       the source brings the front end that its models were trained with, unless one is given
    scoring=<choice>        the back-end that score.py takes

The last line printed is where the checkpoint is.
"""

from omegaconf import DictConfig

from avis import location
from avis.checkpoints.components import Component
from avis.checkpoints.from_toolkit import import_checkpoint
from avis.engine.config import resolve
from avis.engine.entry import pipeline
from avis.lineage import UNKNOWN


@pipeline("import_checkpoint")
def main(cfg: DictConfig) -> None:
    """Import one checkpoint."""
    settings = resolve(cfg)
    if not settings.get("source"):
        raise ValueError(
            "no source: got source=null, expected the toolkit and model that the weights are of. At source. Choose "
            "one, such as source=speechbrain_ecapa; --help lists them."
        )
    weights, checkpoint = (location.absolute(settings[key]) for key in ("weights", "checkpoint"))
    imported = import_checkpoint(weights, checkpoint, source=Component(settings["source"]), recipe=settings)
    sizes = ", ".join(f"{name}={value}" for name, value in imported.node().items() if name != "_target_")
    print(f"{imported.model_class.__name__}: {sizes}")
    print(f"trained on: {UNKNOWN}")
    print(checkpoint)


if __name__ == "__main__":
    main()
