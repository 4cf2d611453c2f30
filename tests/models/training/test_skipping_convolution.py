"""Truths about 1 x 1 convolutions of every other pixel, which stand beside residual blocks that halve the frame."""

import pytest
import torch
from torch import nn

from spikecut.models.training.layerwise import outputs_of


@pytest.mark.parametrize(("n_in", "n_out", "side"), [(4, 6, 16), (6, 6, 15), (3, 5, 8), (8, 16, 16)])
def test_its_outputs_and_gradients_are_those_of_the_definition(n_in: int, n_out: int, side: int) -> None:
    """In channels last and with few channels: there oneDNN's own way wrote beyond its memory without AVX-512."""
    torch.manual_seed(0)
    layer = nn.Conv2d(n_in, n_out, 1, stride=2, bias=False)
    network = nn.Sequential(layer, nn.Flatten())
    for _ in range(4):
        frames = torch.randn(8, 2, n_in, side, side, requires_grad=True)
        outputs = outputs_of(network, frames)
        taken = frames.detach()[..., ::2, ::2]
        wanted = torch.einsum("btihw,oi->btohw", taken, layer.weight[:, :, 0, 0])
        torch.testing.assert_close(outputs, wanted.flatten(2).detach(), rtol=1e-4, atol=1e-4)
        given = torch.randn_like(outputs)
        weight, inputs = torch.autograd.grad(outputs, [layer.weight, frames], given)
        back = given.view(wanted.shape)
        torch.testing.assert_close(
            weight[:, :, 0, 0], torch.einsum("btohw,btihw->oi", back, taken), rtol=1e-3, atol=1e-3
        )
        expected = torch.zeros_like(frames)
        expected[..., ::2, ::2] = torch.einsum("btohw,oi->btihw", back, layer.weight[:, :, 0, 0].detach())
        torch.testing.assert_close(inputs, expected, rtol=1e-3, atol=1e-3)
