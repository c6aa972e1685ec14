"""Profiles of hypothesis: `ci` is the same on every run; `VGGC_HYPOTHESIS=deep` looks twenty times as far."""

import os

from hypothesis import settings

EXAMPLES = 30

settings.register_profile("ci", derandomize=True, deadline=None, database=None, max_examples=EXAMPLES)
settings.register_profile("deep", deadline=None, database=None, max_examples=20 * EXAMPLES, print_blob=True)
settings.load_profile(os.environ.get("VGGC_HYPOTHESIS", "ci"))
