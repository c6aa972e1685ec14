"""alexnet: 3 x 224 x 224 -> 1000, 61,100,840 parameters.

Written by vggc from its spec; it needs torch alone."""

from collections import OrderedDict

import torch
from torch import nn


def alexnet() -> nn.Sequential:
    """3 x 224 x 224 -> 1000, both without the batch axis."""
    features = nn.Sequential(
        nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),  # conv1_1: 64 x 55 x 55
        nn.ReLU(),  # relu1_1: 64 x 55 x 55
        nn.MaxPool2d(kernel_size=3, stride=2),  # pool1: 64 x 27 x 27
        nn.Conv2d(64, 192, kernel_size=5, padding=2),  # conv2_1: 192 x 27 x 27
        nn.ReLU(),  # relu2_1: 192 x 27 x 27
        nn.MaxPool2d(kernel_size=3, stride=2),  # pool2: 192 x 13 x 13
        nn.Conv2d(192, 384, kernel_size=3, padding=1),  # conv3_1: 384 x 13 x 13
        nn.ReLU(),  # relu3_1: 384 x 13 x 13
        nn.Conv2d(384, 256, kernel_size=3, padding=1),  # conv3_2: 256 x 13 x 13
        nn.ReLU(),  # relu3_2: 256 x 13 x 13
        nn.Conv2d(256, 256, kernel_size=3, padding=1),  # conv3_3: 256 x 13 x 13
        nn.ReLU(),  # relu3_3: 256 x 13 x 13
        nn.MaxPool2d(kernel_size=3, stride=2),  # pool3: 256 x 6 x 6
    )
    avgpool = nn.AdaptiveAvgPool2d(6)
    flatten = nn.Flatten()
    classifier = nn.Sequential(
        nn.Dropout(p=0.5),  # dropout3: 9216
        nn.Linear(9216, 4096),  # fc4: 4096
        nn.ReLU(),  # relu4: 4096
        nn.Dropout(p=0.5),  # dropout4: 4096
        nn.Linear(4096, 4096),  # fc5: 4096
        nn.ReLU(),  # relu5: 4096
        nn.Linear(4096, 1000),  # fc6: 1000
    )
    return nn.Sequential(OrderedDict(features=features, avgpool=avgpool, flatten=flatten, classifier=classifier))


if __name__ == "__main__":
    model = alexnet().eval()
    output = model(torch.randn(1, 3, 224, 224))
    print(f"{sum(each.numel() for each in model.parameters()):,} parameters, output {tuple(output.shape)}")
