"""`digits`: the handwritten digits that scikit-learn brings along, real data without a download.

1,797 grey images of 8x8 with values 0 to 16, which become 0 to 255 (255 v / 16, rounded; half to even). A fifth of each
class, always the same, is the test split.
"""

import numpy as np
import torch

from vggc.base.errors import ProductError
from vggc.base.extras import require
from vggc.data.dataset import ArrayImages, Images, ImageSource, SplitName
from vggc.data.splitting import TEST_SEED, TEST_SHARE, split_indices


class Digits(ImageSource):
    """The bundled digits."""

    prefix = "digits"
    classes = tuple("0123456789")
    channels = 1

    def __init__(self, words: str, path: str) -> None:
        super().__init__(words, path)
        if path:
            raise ProductError(f"{words}: the digits come with scikit-learn and take no path; write --data digits")
        digits = require("sklearn.datasets", extra="train", by="the source `digits`").load_digits()
        # 255 v / 16 is exact in floating point, so nothing but the rule of rounding decides.
        self._pixels = np.rint(digits.images * 255 / 16).astype(np.uint8)[..., np.newaxis]
        self._labels = torch.from_numpy(digits.target.astype(np.int64))

    def read(self, split: SplitName) -> Images:
        train, test = split_indices(self._labels, TEST_SHARE, TEST_SEED)
        indices = train if split == "train" else test
        return ArrayImages(self._pixels[indices.numpy()], self._labels[indices], f"the {split} digits")
