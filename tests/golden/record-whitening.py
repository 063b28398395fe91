# SPDX-License-Identifier: BSD-2-Clause
"""Record what NumPy makes of images by pylearn2's formulas, for test_whiten.c.

    PYTHON tests/golden/record-whitening.py > tests/golden/whitening.txt

Global contrast normalisation to norm 55 for 3x32x32 and the same deviation for
other sizes, then ZCA with 0.1 added to the covariance's diagonal (pylearn2's
expr/preprocessing.py and datasets/preprocessing.py). Both sides make the images
from the formula below.
"""
import numpy

SIDE, IMAGES, BIAS = 5, 120, 0.1
NUMBERS = 3 * SIDE * SIDE
SHOWN = 0, 7, 119, 1000  # the last one is none of the training images


def noise(i, j):
    x = (i * 7919 + j * 104729 + 12345) * 2654435761 % 2**32
    return ((x ^ x >> 15) * 2246822519 % 2**32) >> 24


def image(i):
    return [(noise(i, j) + noise(i, (j + 1) % NUMBERS) +
             noise(i, (j + 7) % NUMBERS)) // 3 for j in range(NUMBERS)]


def normalise(x):
    x = x - x.mean(axis=1, keepdims=True)
    norm = numpy.sqrt((x ** 2).sum(axis=1, keepdims=True))
    return x / norm * 55 * numpy.sqrt(NUMBERS / 3072)


def main():
    x = normalise(numpy.array([image(i) for i in range(IMAGES)], float))
    mean = x.mean(axis=0)
    covariance = (x - mean).T @ (x - mean) / IMAGES + BIAS * numpy.eye(NUMBERS)
    values, vectors = numpy.linalg.eigh(covariance)
    whitening = (vectors / numpy.sqrt(values)) @ vectors.T
    shown = normalise(numpy.array([image(i) for i in SHOWN], float))
    for i, row, white in zip(SHOWN, shown, (shown - mean) @ whitening):
        print("gcn", i, *(f"{v:.6g}" for v in row))
        print("zca", i, *(f"{v:.6g}" for v in white))


if __name__ == "__main__":
    main()
