"""Refuse models of other toolkits whose settings, as far as no tensor shows them, are not those that AVIS knows."""

import re
from collections.abc import Mapping
from typing import Any

from avis.checkpoints.components import leaves

TITANET = {
    r"encoder\.jasper\.\d+\.(stride|dilation)(\.\d+)?": (1,),
    r"encoder\.jasper\.\d+\.se_context_size": (-1,),
    r"encoder(\.jasper\.\d+)?\.residual_mode": ("add",),
    r"encoder\.activation": ("relu",),
    r"preprocessor\.window_stride": (0.01,),
    r"preprocessor\.normalize": ("per_feature",),
    r"preprocessor\.preemph": (0.97,),
    r"preprocessor\.log": (True,),
    r"preprocessor\.log_zero_guard_type": ("add",),
    r"preprocessor\.log_zero_guard_value": (2**-24,),
    r"preprocessor\.mag_power": (2.0,),
    r"preprocessor\.frame_splicing": (1,),
    r"preprocessor\.exact_pad": (False,),
}
"""NeMo's, and those of ``nemo_mel_80``. What a file leaves out is so in NeMo too."""
REDIMNET = {
    r"block_2d_type": ("convnext_like", "basic_resnet", "basic_resnet_fwse"),
    r"pooling_func": ("ASTP",),
    r"feat_type": ("pt", "pt_mel"),
    r"hop_length": (160,),
    r"spec_params\.sample_rate": (16000,),
    r"spec_params\.n_fft": (512,),
    r"spec_params\.win_length": (400,),
    r"spec_params\.f_min": (20,),
    r"spec_params\.f_max": (7600,),
    r"spec_params\.norm_signal": (False,),
    r"spec_params\.do_preemph": (True,),
    r"spec_params\.spec_norm": ("mn",),
}
"""IDRnD's, and those of ``idrnd_mel_72``. What a file leaves out is so in its code too (read at ceeb132)."""


def check_settings(settings: Any, allowed: Mapping[str, tuple[Any, ...]], *, model: str, where: str) -> None:
    """Refuse settings that change what the same weights compute.

    Parameters
    ----------
    settings : object
        Plain data, as a file has them.
    allowed : mapping of str to tuple of object
        By regular expression of a setting's name, its values that are known.
    model : str
        Whose settings these are, for errors.
    where : str
        Where they came from, for errors.

    Raises
    ------
    ValueError
        Naming the first setting with another value.
    """
    for name, value in leaves(settings).items():
        for pattern, values in allowed.items():
            if re.fullmatch(pattern, name) and value not in values:
                expected = " or ".join(str(each) for each in values)
                raise ValueError(
                    f"another model than {model} on its features: got {name}={value}, expected {expected}. At {where}. "
                    "Such a model is not known."
                )
