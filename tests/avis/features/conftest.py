import numpy as np
import pytest
import torch


def _speech_like(num_samples, seed=0, sample_rate=16000):
    """Harmonics that decay, come and go, over a little noise and an offset."""
    rng = np.random.default_rng(seed)
    t = np.arange(num_samples) / sample_rate
    voice = sum(np.sin(2 * np.pi * 130 * k * t) / k**1.5 for k in range(1, 20))
    voice *= 0.1 * (1 + np.sin(2 * np.pi * 3 * t))
    return torch.from_numpy((voice + 0.003 * rng.standard_normal(num_samples) + 0.01).astype(np.float32))


@pytest.fixture(scope="session")
def speech_like():
    return _speech_like


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Return, by name, the folders of tiny self-supervised models with random weights: 3 layers of width 16."""
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
    convolutions = {"conv_dim": [8, 8], "conv_kernel": [10, 5], "conv_stride": [5, 4], "num_feat_extract_layers": 2}
    positions = {"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2}
    of_waveforms = sizes | convolutions | positions
    configs = {
        "wavlm": transformers.WavLMConfig(**of_waveforms),
        "wav2vec2": transformers.Wav2Vec2Config(**of_waveforms),
        "wav2vec2_stable": transformers.Wav2Vec2Config(
            **of_waveforms, do_stable_layer_norm=True, feat_extract_norm="layer"
        ),
        "hubert": transformers.HubertConfig(**of_waveforms),
        "w2v_bert": transformers.Wav2Vec2BertConfig(**sizes, conformer_conv_dropout=0.0),
    }
    made = {}
    for name, config in configs.items():
        torch.manual_seed(0)
        made[name] = str(tmp_path_factory.mktemp(name))
        transformers.AutoModel.from_config(config).save_pretrained(made[name])
    return made
