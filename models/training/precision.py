"""In which type a processor multiplies fast."""

import torch


def multiplies_in_bfloat16(device: torch.device) -> bool:
    """Whether convolutions in bfloat16 are worth it there: on a GPU, and on a processor with AVX-512.

    Without it torch emulates the type, and a training takes several times as long as in float32.
    """
    return device.type != "cpu" or "AVX512" in torch.backends.cpu.get_cpu_capability()
