"""Products stay exact to 32 bits on a GPU, whatever a training allows them to be."""

import contextlib

import pytest
import torch

from avis.full_precision import full_precision


@pytest.fixture
def fewer_bits():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize(("device", "inside"), [("cuda", "highest"), ("cpu", "high")])
def test_what_was_set_counts_again_afterwards(fewer_bits, device: str, inside: str):
    with contextlib.suppress(KeyError), full_precision(torch.device(device)):
        assert torch.get_float32_matmul_precision() == inside
        raise KeyError
    assert torch.get_float32_matmul_precision() == "high"


@pytest.mark.gpu
def test_a_product_on_a_gpu(fewer_bits):
    a, b = torch.rand(300, 500), torch.rand(500, 200)
    with full_precision(torch.device("cuda")):
        product = (a.cuda() @ b.cuda()).cpu()
    torch.testing.assert_close(product.double(), a.double() @ b.double(), rtol=1e-6, atol=0)
