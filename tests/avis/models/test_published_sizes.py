"""Numbers of parameters are the published ones."""

from collections.abc import Callable

import pytest
from torch import nn

WESPEAKER = "wenet-e2e/wespeaker, examples/voxceleb/v2/README.md"
D_SPEAKER = "modelscope/3D-Speaker, egs/voxceleb/README.md"
GEMINI = "Liu et al., 2024, as cited in IDRnD/ReDimNet, EVALUATION.md"
REDIMNET = "wenet-e2e/wespeaker, wespeaker/models/redimnet.py, beside the paper's 2.2, 3.0, 6.3 and 9.2"
PUBLISHED = [
    ("ecapa_512", 80, "6.2", "Desplanques et al., 2020, Table 1"),
    ("ecapa_512", 80, "6.19", WESPEAKER),
    ("ecapa_1024", 80, "14.7", "Desplanques et al., 2020, Table 1"),
    ("ecapa_1024", 80, "14.65", WESPEAKER),
    ("ecapa_1024_wide", 80, "20.761", f"{WESPEAKER} at 04d2226"),
    ("ecapa_1024_wide", 80, "20.8", D_SPEAKER),
    ("xvector", 80, "4.34", D_SPEAKER),
    ("wespeaker_xvector", 80, "4.61", WESPEAKER),
    ("resnet34", 80, "6.63", WESPEAKER),
    ("resnet221", 80, "23.79", WESPEAKER),
    ("resnet293", 80, "28.62", WESPEAKER),
    ("campplus", 80, "7.18", WESPEAKER),
    ("campplus", 80, "7.2", "modelscope/3D-Speaker, egs/voxceleb/sv-cam++/README.md"),
    ("resnet_se34_l", 40, "1.4", "Heo et al., 2020, https://arxiv.org/abs/2009.14153 (Q / SAP)"),
    ("resnet_se34_v2", 64, "8.0", "Heo et al., 2020, https://arxiv.org/abs/2009.14153 (H / ASP)"),
    ("simam_resnet34", 80, "25.2", WESPEAKER),
    ("simam_resnet100", 80, "50.2", WESPEAKER),
    ("res2net34", 80, "4.03", D_SPEAKER),
    ("eres2net_base", 80, "6.61", D_SPEAKER),
    ("eres2net_large", 80, "22.46", D_SPEAKER),
    ("eres2net_v2", 80, "17.8", "modelscope/3D-Speaker, egs/voxceleb/sv-eres2netv2/README.md"),
    ("gemini_df_resnet114", 80, "6.53", WESPEAKER),
    ("gemini_df_resnet114", 80, "6.5", GEMINI),
    ("gemini_df_resnet183", 80, "9.2", GEMINI),
    ("redimnet_b0", 60, "1.0", "IDRnD/ReDimNet, EVALUATION.md"),
    ("redimnet_b1", 72, "2.1", REDIMNET),
    ("redimnet_b3", 72, "3.2", REDIMNET),
    ("redimnet_b4", 72, "6.4", REDIMNET),
    ("redimnet_b5", 72, "7.65", REDIMNET),
    ("redimnet_b6", 72, "15.0", "IDRnD/ReDimNet, EVALUATION.md"),
    ("adapter_mfa", 25 * 1024, "6.2", "ZXHY-82/w2v-BERT-2.0_SV, README.md"),
    ("mhfa", 13 * 768, "2", "JunyiPeng00/Wespeaker_SSL, examples/voxceleb/v2/README.md"),
]
"""Choice of ``configs/model``, mels, millions of parameters as they are printed, and where."""


@pytest.mark.few(6)
@pytest.mark.parametrize(("choice", "num_mels", "printed", "source"), PUBLISHED, ids=lambda value: str(value)[:20])
def test_parameter_count_is_the_published_one(
    build_choice: Callable[..., nn.Module], choice: str, num_mels: int, printed: str, source: str
):
    """To half a percent, or as closely as the figure is printed."""
    model = build_choice(choice, num_mels=num_mels)
    last_digit = 10.0 ** -len(printed.partition(".")[2])
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    assert millions == pytest.approx(float(printed), rel=0.005, abs=last_digit / 2), source
