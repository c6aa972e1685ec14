"""Labelled images: where they come from, and how they become the batches that a network is trained on.

base            Source and Images: a data set, and one split of it
sources         words such as `folder:photos` -> a Source; a file for each format
splitting       which images are held out
fitting         whether a source and a network belong together
preparation     `preprocess` in torch
augmentation    `augment`, for a whole batch
stores          in memory, or streamed by worker processes
batches         all of it put together
"""

from vggc.data.batches import Batches
from vggc.data.dataset import Images, Source
from vggc.data.fitting import check_complete, check_fits
from vggc.data.sources import absolute, open_source
from vggc.data.splitting import split_indices

__all__ = ["Batches", "Images", "Source", "absolute", "check_complete", "check_fits", "open_source", "split_indices"]
