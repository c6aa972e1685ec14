"""vgg16_cifar10_dropout2d: 3 x 64 x 64 -> 10, 50,415,434 parameters.

Written by vggc from its spec; it needs torch alone."""

from collections import OrderedDict

import torch
from torch import nn


def vgg16_cifar10_dropout2d() -> nn.Sequential:
    """3 x 64 x 64 -> 10, both without the batch axis."""
    features = nn.Sequential(
        nn.Conv2d(3, 64, kernel_size=3, padding=1),  # conv1_1: 64 x 64 x 64
        nn.ReLU(),  # relu1_1: 64 x 64 x 64
        nn.Conv2d(64, 64, kernel_size=3, padding=1),  # conv1_2: 64 x 64 x 64
        nn.ReLU(),  # relu1_2: 64 x 64 x 64
        nn.MaxPool2d(kernel_size=2, stride=2),  # pool1: 64 x 32 x 32
        nn.Dropout2d(p=0.1),  # dropout2d2: 64 x 32 x 32
        nn.Conv2d(64, 128, kernel_size=3, padding=1),  # conv2_1: 128 x 32 x 32
        nn.ReLU(),  # relu2_1: 128 x 32 x 32
        nn.Conv2d(128, 128, kernel_size=3, padding=1),  # conv2_2: 128 x 32 x 32
        nn.ReLU(),  # relu2_2: 128 x 32 x 32
        nn.MaxPool2d(kernel_size=2, stride=2),  # pool2: 128 x 16 x 16
        nn.Dropout2d(p=0.1),  # dropout2d3: 128 x 16 x 16
        nn.Conv2d(128, 256, kernel_size=3, padding=1),  # conv3_1: 256 x 16 x 16
        nn.ReLU(),  # relu3_1: 256 x 16 x 16
        nn.Conv2d(256, 256, kernel_size=3, padding=1),  # conv3_2: 256 x 16 x 16
        nn.ReLU(),  # relu3_2: 256 x 16 x 16
        nn.Conv2d(256, 256, kernel_size=3, padding=1),  # conv3_3: 256 x 16 x 16
        nn.ReLU(),  # relu3_3: 256 x 16 x 16
        nn.MaxPool2d(kernel_size=2, stride=2),  # pool3: 256 x 8 x 8
        nn.Dropout2d(p=0.1),  # dropout2d4: 256 x 8 x 8
        nn.Conv2d(256, 512, kernel_size=3, padding=1),  # conv4_1: 512 x 8 x 8
        nn.ReLU(),  # relu4_1: 512 x 8 x 8
        nn.Conv2d(512, 512, kernel_size=3, padding=1),  # conv4_2: 512 x 8 x 8
        nn.ReLU(),  # relu4_2: 512 x 8 x 8
        nn.Conv2d(512, 512, kernel_size=3, padding=1),  # conv4_3: 512 x 8 x 8
        nn.ReLU(),  # relu4_3: 512 x 8 x 8
        nn.MaxPool2d(kernel_size=2, stride=2),  # pool4: 512 x 4 x 4
        nn.Dropout2d(p=0.1),  # dropout2d5: 512 x 4 x 4
        nn.Conv2d(512, 512, kernel_size=3, padding=1),  # conv5_1: 512 x 4 x 4
        nn.ReLU(),  # relu5_1: 512 x 4 x 4
        nn.Conv2d(512, 512, kernel_size=3, padding=1),  # conv5_2: 512 x 4 x 4
        nn.ReLU(),  # relu5_2: 512 x 4 x 4
        nn.Conv2d(512, 512, kernel_size=3, padding=1),  # conv5_3: 512 x 4 x 4
        nn.ReLU(),  # relu5_3: 512 x 4 x 4
        nn.MaxPool2d(kernel_size=2, stride=2),  # pool5: 512 x 2 x 2
        nn.Dropout2d(p=0.1),  # dropout2d6: 512 x 2 x 2
    )
    avgpool = nn.AdaptiveAvgPool2d(3)
    flatten = nn.Flatten()
    classifier = nn.Sequential(
        nn.Linear(4608, 4096),  # fc6: 4096
        nn.ReLU(),  # relu6: 4096
        nn.Dropout(p=0.5),  # dropout6: 4096
        nn.Linear(4096, 4096),  # fc7: 4096
        nn.ReLU(),  # relu7: 4096
        nn.Dropout(p=0.5),  # dropout7: 4096
        nn.Linear(4096, 10),  # fc8: 10
    )
    return nn.Sequential(OrderedDict(features=features, avgpool=avgpool, flatten=flatten, classifier=classifier))


def initialize(model: nn.Sequential) -> None:
    """Draw the weights as the spec says."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


if __name__ == "__main__":
    model = vgg16_cifar10_dropout2d().eval()
    initialize(model)
    output = model(torch.randn(1, 3, 64, 64))
    print(f"{sum(each.numel() for each in model.parameters()):,} parameters, output {tuple(output.shape)}")
