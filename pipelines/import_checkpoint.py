r"""Turn a checkpoint of another toolkit into one of AVIS: weights -> checkpoint.

python pipelines/import_checkpoint.py source=wespeaker_resnet weights=avg_model.pt checkpoint=resnet34.ckpt
python pipelines/score.py checkpoint=resnet34.ckpt trials=<list> corpus=folder corpus.root=<folder> corpus.split=test

The source brings the front end that its models were trained with. The last line printed is where the checkpoint is.
"""

import hydra
from omegaconf import DictConfig

from avis import location
from avis.checkpoints.from_toolkit import import_checkpoint
from avis.engine.config import resolve


@hydra.main(config_path="../configs", config_name="import_checkpoint", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Import one checkpoint."""
    recipe = resolve(cfg)
    imported = import_checkpoint(recipe)
    sizes = ", ".join(f"{name}={value}" for name, value in imported.node().items() if name != "_target_")
    print(f"{imported.model_class.__name__}: {sizes}")
    print(location.absolute(recipe["checkpoint"]))


if __name__ == "__main__":
    main()
