"""vgg11: 3 x 224 x 224 -> 1000, 132,863,336 parameters.

Written by vggc from its spec; it needs torch alone."""

from collections import OrderedDict

import torch
from torch import nn


def vgg11() -> nn.Sequential:
    """3 x 224 x 224 -> 1000, both without the batch axis."""
    features = nn.Sequential(
        nn.Conv2d(3, 64, kernel_size=3, padding=1),  # conv1_1: 64 x 224 x 224
        nn.ReLU(),  # relu1_1: 64 x 224 x 224
        nn.MaxPool2d(kernel_size=2, stride=2),  # pool1: 64 x 112 x 112
        nn.Conv2d(64, 128, kernel_size=3, padding=1),  # conv2_1: 128 x 112 x 112
        nn.ReLU(),  # relu2_1: 128 x 112 x 112
        nn.MaxPool2d(kernel_size=2, stride=2),  # pool2: 128 x 56 x 56
        nn.Conv2d(128, 256, kernel_size=3, padding=1),  # conv3_1: 256 x 56 x 56
        nn.ReLU(),  # relu3_1: 256 x 56 x 56
        nn.Conv2d(256, 256, kernel_size=3, padding=1),  # conv3_2: 256 x 56 x 56
        nn.ReLU(),  # relu3_2: 256 x 56 x 56
        nn.MaxPool2d(kernel_size=2, stride=2),  # pool3: 256 x 28 x 28
        nn.Conv2d(256, 512, kernel_size=3, padding=1),  # conv4_1: 512 x 28 x 28
        nn.ReLU(),  # relu4_1: 512 x 28 x 28
        nn.Conv2d(512, 512, kernel_size=3, padding=1),  # conv4_2: 512 x 28 x 28
        nn.ReLU(),  # relu4_2: 512 x 28 x 28
        nn.MaxPool2d(kernel_size=2, stride=2),  # pool4: 512 x 14 x 14
        nn.Conv2d(512, 512, kernel_size=3, padding=1),  # conv5_1: 512 x 14 x 14
        nn.ReLU(),  # relu5_1: 512 x 14 x 14
        nn.Conv2d(512, 512, kernel_size=3, padding=1),  # conv5_2: 512 x 14 x 14
        nn.ReLU(),  # relu5_2: 512 x 14 x 14
        nn.MaxPool2d(kernel_size=2, stride=2),  # pool5: 512 x 7 x 7
    )
    avgpool = nn.AdaptiveAvgPool2d(7)
    flatten = nn.Flatten()
    classifier = nn.Sequential(
        nn.Linear(25088, 4096),  # fc6: 4096
        nn.ReLU(),  # relu6: 4096
        nn.Dropout(p=0.5),  # dropout6: 4096
        nn.Linear(4096, 4096),  # fc7: 4096
        nn.ReLU(),  # relu7: 4096
        nn.Dropout(p=0.5),  # dropout7: 4096
        nn.Linear(4096, 1000),  # fc8: 1000
    )
    return nn.Sequential(OrderedDict(features=features, avgpool=avgpool, flatten=flatten, classifier=classifier))


def initialize(model: nn.Sequential) -> None:
    """Draw the weights as the spec says."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


if __name__ == "__main__":
    model = vgg11().eval()
    initialize(model)
    output = model(torch.randn(1, 3, 224, 224))
    print(f"{sum(each.numel() for each in model.parameters()):,} parameters, output {tuple(output.shape)}")
