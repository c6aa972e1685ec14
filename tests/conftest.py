"""Profiles of hypothesis: `ci` is the same on every run; `VGGC_HYPOTHESIS=deep` looks twenty times as far."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

EXAMPLES = 25

settings.register_profile("ci", derandomize=True, deadline=None, database=None, max_examples=EXAMPLES)
settings.register_profile("deep", deadline=None, database=None, max_examples=20 * EXAMPLES, print_blob=True)
settings.load_profile(os.environ.get("VGGC_HYPOTHESIS", "ci"))

# What a shell starts in the background, or `nohup` starts, ignores these, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
for each in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(each, signal.SIG_DFL)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """A single thread for torch, which is twice as fast on tiny tensors."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
