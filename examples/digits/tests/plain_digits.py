# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The same training as a plain scikit-learn script, without DEEPaaS and without this package.

Prints the accuracy on the held-out images with all its digits.
"""

import argparse

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--learning-rate", type=float, default=0.005)
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--hidden-units", type=int, default=64)
parser.add_argument("--alpha", type=float, default=1e-4)
parser.add_argument("--test-fraction", type=float, default=0.2)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, test_size=args.test_fraction, random_state=args.seed, stratify=y
)
network = MLPClassifier(
    hidden_layer_sizes=(args.hidden_units,),
    learning_rate_init=args.learning_rate,
    batch_size=args.batch_size,
    alpha=args.alpha,
    random_state=args.seed,
)
for _ in range(args.epochs):
    network.partial_fit(X_train, y_train, classes=list(range(10)))
print(repr(float(network.score(X_test, y_test))))
