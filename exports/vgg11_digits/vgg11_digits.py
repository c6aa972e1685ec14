"""vgg11_digits: 1 x 32 x 32 -> 10, 145,754 parameters.

Written by vggc from its spec; it needs torch alone."""

from collections import OrderedDict

import torch
from torch import nn


def vgg11_digits() -> nn.Sequential:
    """1 x 32 x 32 -> 10, both without the batch axis."""
    features = nn.Sequential(
        nn.Conv2d(1, 8, kernel_size=3, padding=1),  # conv1_1: 8 x 32 x 32
        nn.BatchNorm2d(8),  # batch_norm1_1: 8 x 32 x 32
        nn.ReLU(),  # relu1_1: 8 x 32 x 32
        nn.MaxPool2d(kernel_size=2, stride=2),  # pool1: 8 x 16 x 16
        nn.Conv2d(8, 16, kernel_size=3, padding=1),  # conv2_1: 16 x 16 x 16
        nn.BatchNorm2d(16),  # batch_norm2_1: 16 x 16 x 16
        nn.ReLU(),  # relu2_1: 16 x 16 x 16
        nn.MaxPool2d(kernel_size=2, stride=2),  # pool2: 16 x 8 x 8
        nn.Conv2d(16, 32, kernel_size=3, padding=1),  # conv3_1: 32 x 8 x 8
        nn.BatchNorm2d(32),  # batch_norm3_1: 32 x 8 x 8
        nn.ReLU(),  # relu3_1: 32 x 8 x 8
        nn.Conv2d(32, 32, kernel_size=3, padding=1),  # conv3_2: 32 x 8 x 8
        nn.BatchNorm2d(32),  # batch_norm3_2: 32 x 8 x 8
        nn.ReLU(),  # relu3_2: 32 x 8 x 8
        nn.MaxPool2d(kernel_size=2, stride=2),  # pool3: 32 x 4 x 4
        nn.Conv2d(32, 64, kernel_size=3, padding=1),  # conv4_1: 64 x 4 x 4
        nn.BatchNorm2d(64),  # batch_norm4_1: 64 x 4 x 4
        nn.ReLU(),  # relu4_1: 64 x 4 x 4
        nn.Conv2d(64, 64, kernel_size=3, padding=1),  # conv4_2: 64 x 4 x 4
        nn.BatchNorm2d(64),  # batch_norm4_2: 64 x 4 x 4
        nn.ReLU(),  # relu4_2: 64 x 4 x 4
        nn.MaxPool2d(kernel_size=2, stride=2),  # pool4: 64 x 2 x 2
        nn.Conv2d(64, 64, kernel_size=3, padding=1),  # conv5_1: 64 x 2 x 2
        nn.BatchNorm2d(64),  # batch_norm5_1: 64 x 2 x 2
        nn.ReLU(),  # relu5_1: 64 x 2 x 2
        nn.Conv2d(64, 64, kernel_size=3, padding=1),  # conv5_2: 64 x 2 x 2
        nn.BatchNorm2d(64),  # batch_norm5_2: 64 x 2 x 2
        nn.ReLU(),  # relu5_2: 64 x 2 x 2
        nn.MaxPool2d(kernel_size=2, stride=2),  # pool5: 64 x 1 x 1
    )
    flatten = nn.Flatten()
    classifier = nn.Sequential(
        nn.Linear(64, 10),  # fc6: 10
    )
    return nn.Sequential(OrderedDict(features=features, flatten=flatten, classifier=classifier))


def initialize(model: nn.Sequential) -> None:
    """Draw the weights as the spec says."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.BatchNorm2d):
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


if __name__ == "__main__":
    model = vgg11_digits().eval()
    initialize(model)
    output = model(torch.randn(1, 1, 32, 32))
    print(f"{sum(each.numel() for each in model.parameters()):,} parameters, output {tuple(output.shape)}")
