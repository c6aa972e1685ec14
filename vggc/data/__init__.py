"""Labelled images: where they come from, and how they become the batches that a network is trained on.

dataset               ImageSource and Images: a data set, and one split of it
formats               `folder:photos` -> an ImageSource; each format has a file of its own
splitting             which images are held out
compatibility         whether a network and a source fit each other
torch_preprocessing   `preprocess` in torch
augmentation          `augment`, for a whole batch
stores                decoded images, in memory or streamed
batches               all of it put together
images                single images, without torch; so nothing is imported here
"""
