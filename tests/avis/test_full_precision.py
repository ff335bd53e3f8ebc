"""Products stay exact to 32 bits on a GPU, whatever a training allows them to be."""

import contextlib

import pytest
import torch

from avis.full_precision import full_precision


@pytest.fixture
def fewer_bits():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]


@pytest.mark.parametrize(("device", "inside"), [("cuda", "highest"), ("cpu", "high")])
def test_what_was_set_counts_again_afterwards(fewer_bits, device: str, inside: str):
    with contextlib.suppress(KeyError), full_precision(torch.device(device)):
        assert torch.get_float32_matmul_precision() == inside
        assert torch.backends.cudnn.allow_tf32 == (device == "cpu")
        raise KeyError
    assert torch.get_float32_matmul_precision() == "high"
    assert torch.backends.cudnn.allow_tf32


@pytest.mark.gpu
def test_a_product_on_a_gpu(fewer_bits):
    a, b = torch.rand(300, 500), torch.rand(500, 200)
    with full_precision(torch.device("cuda")):
        product = (a.cuda() @ b.cuda()).cpu()
    torch.testing.assert_close(product.double(), a.double() @ b.double(), rtol=1e-6, atol=0)


@pytest.mark.gpu
def test_a_convolution_on_a_gpu(fewer_bits):
    waveforms, filters = torch.rand(3, 1, 8000), torch.rand(40, 1, 251)
    with full_precision(torch.device("cuda")):
        made = torch.nn.functional.conv1d(waveforms.cuda(), filters.cuda()).cpu()
    expected = torch.nn.functional.conv1d(waveforms.double(), filters.double())
    torch.testing.assert_close(made.double(), expected, rtol=1e-5, atol=0)
