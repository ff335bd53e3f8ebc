r"""Turn a checkpoint of another toolkit into one of AVIS: weights -> checkpoint.

python pipelines/import_checkpoint.py source=wespeaker_resnet weights=avg_model.pt checkpoint=resnet34.ckpt
python pipelines/score.py checkpoint=resnet34.ckpt trials=<list> corpus=folder corpus.root=<folder> corpus.split=test

The source brings the front end that its models were trained with. The last line printed is where the checkpoint is.
"""

import hydra
from omegaconf import DictConfig

from avis import location
from avis.checkpoints.components import Component
from avis.checkpoints.from_toolkit import import_checkpoint
from avis.engine.config import resolve


@hydra.main(config_path="../configs", config_name="import_checkpoint", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Import one checkpoint."""
    recipe = resolve(cfg)
    if not recipe["source"]:
        raise ValueError(
            "no source: got source=null, expected the toolkit and model that the weights are of. At source. Choose "
            "one, such as source=speechbrain_ecapa; --help lists them."
        )
    weights, checkpoint = (location.absolute(recipe[key]) for key in ("weights", "checkpoint"))
    imported = import_checkpoint(weights, checkpoint, source=Component(recipe["source"]), recipe=recipe)
    sizes = ", ".join(f"{name}={value}" for name, value in imported.node().items() if name != "_target_")
    print(f"{imported.model_class.__name__}: {sizes}")
    print(checkpoint)


if __name__ == "__main__":
    main()
