"""Write a model as one file from waveforms to embeddings: checkpoint, verifier -> ONNX, TorchScript.

Three examples:
    python pipelines/export.py checkpoint=<run>/checkpoints/best.ckpt file=model.onnx
    python pipelines/export.py checkpoint=<run>/verifier file=model.onnx format=onnx_int8
    python pipelines/export.py checkpoint=<run>/checkpoints/best.ckpt file=model.ckpt format=avis

All its settings:
    checkpoint=<path>       a run's checkpoints/best.ckpt, or an imported one; the folder of a run or its verifier
    file=<file>             the file to write
    format=<name>           onnx, onnx_int8, torchscript, or avis: a checkpoint without optimiser and loss;
                            folder: that of the run's verifier, to be used by itself (`avis verify`)

A file is compared with the checkpoint on utterances of 0.5 to 10 s, and not written where they differ.
"""

from omegaconf import DictConfig

from avis import location
from avis.checkpoints.checkpoint import Checkpoint
from avis.checkpoints.export import export
from avis.engine.config import resolve
from avis.engine.entry import pipeline
from avis.verifier import Verifier
from avis.verifier.folder import write_folder


@pipeline("export")
def main(cfg: DictConfig) -> None:
    """Export one checkpoint."""
    settings = resolve(cfg)
    file, checkpoint = (location.absolute(settings[key]) for key in ("file", "checkpoint"))
    if settings["format"] == "folder":
        write_folder(file, Verifier.load(checkpoint).parts)
        print(file)
        return
    if not location.is_folder(checkpoint):
        parity = export(Checkpoint.open(checkpoint), file, format=settings["format"])
    elif settings["format"] == "avis":
        raise ValueError(
            "no checkpoint: got a folder, expected a file, as a verifier does not keep its recipe. At "
            f"checkpoint={checkpoint}. Give the run's checkpoints/best.ckpt, or choose format=folder."
        )
    else:
        parts = Verifier.load(checkpoint).parts
        parity = export(parts.checkpoint, file, format=settings["format"], trained_on=parts.trained_on)
    print(
        f"cosine with the checkpoint's embeddings of {parity.num} synthetic recordings: least {parity.least:.7f}, "
        f"mean {parity.mean:.7f}"
    )
    print(file)


if __name__ == "__main__":
    main()
