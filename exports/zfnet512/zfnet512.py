"""zfnet512: 3 x 224 x 224 -> 1000, 107,627,624 parameters.

Written by vggc from its spec; it needs torch alone."""

from collections import OrderedDict

import torch
from torch import nn


def zfnet512() -> nn.Sequential:
    """3 x 224 x 224 -> 1000, both without the batch axis."""
    features = nn.Sequential(
        nn.Conv2d(3, 96, kernel_size=7, stride=2, padding=1),  # conv1_1: 96 x 110 x 110
        nn.ReLU(),  # relu1_1: 96 x 110 x 110
        nn.LocalResponseNorm(5, alpha=0.0005),  # local_response_norm1_1: 96 x 110 x 110
        nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # pool1: 96 x 55 x 55
        nn.Conv2d(96, 256, kernel_size=5, stride=2),  # conv2_1: 256 x 26 x 26
        nn.ReLU(),  # relu2_1: 256 x 26 x 26
        nn.LocalResponseNorm(5, alpha=0.0005),  # local_response_norm2_1: 256 x 26 x 26
        nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # pool2: 256 x 13 x 13
        nn.Conv2d(256, 512, kernel_size=3, padding=1),  # conv3_1: 512 x 13 x 13
        nn.ReLU(),  # relu3_1: 512 x 13 x 13
        nn.Conv2d(512, 1024, kernel_size=3, padding=1),  # conv3_2: 1024 x 13 x 13
        nn.ReLU(),  # relu3_2: 1024 x 13 x 13
        nn.Conv2d(1024, 512, kernel_size=3, padding=1),  # conv3_3: 512 x 13 x 13
        nn.ReLU(),  # relu3_3: 512 x 13 x 13
        nn.MaxPool2d(kernel_size=3, stride=2),  # pool3: 512 x 6 x 6
    )
    flatten = nn.Flatten()
    classifier = nn.Sequential(
        nn.Linear(18432, 4096),  # fc4: 4096
        nn.ReLU(),  # relu4: 4096
        nn.Dropout(p=0.5),  # dropout4: 4096
        nn.Linear(4096, 4096),  # fc5: 4096
        nn.ReLU(),  # relu5: 4096
        nn.Dropout(p=0.5),  # dropout5: 4096
        nn.Linear(4096, 1000),  # fc6: 1000
    )
    return nn.Sequential(OrderedDict(features=features, flatten=flatten, classifier=classifier))


if __name__ == "__main__":
    model = zfnet512().eval()
    output = model(torch.randn(1, 3, 224, 224))
    print(f"{sum(each.numel() for each in model.parameters()):,} parameters, output {tuple(output.shape)}")
