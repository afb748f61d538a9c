"""Libraries that several files of the parity group compare with, set up for it."""

from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def torch(peer: Callable[[str], ModuleType]) -> ModuleType:
    torch = peer("torch")
    torch.set_num_threads(2)
    return torch


@pytest.fixture(scope="session")
def transformers(peer: Callable[[str], ModuleType], torch: ModuleType) -> ModuleType:
    module = peer("transformers")
    module.logging.set_verbosity_error()
    return module
