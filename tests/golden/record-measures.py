# SPDX-License-Identifier: BSD-2-Clause
"""Record what scikit-learn computes of made-up answers, for test_report.c.

    PYTHON tests/golden/record-measures.py > tests/golden/measures.txt

Both sides make the answers from the formulas below. There are many ties; class
3 is never answered, class 4 never a label, class 5 neither.
"""
import warnings

import numpy
import sklearn
from sklearn import metrics

IMAGES, CLASSES = 200, 6


def mix(x):
    return x * 2654435761 % 2**32


def label(i):
    return (mix(i * i + 3 * i + 1) >> 16) % 4


def sixteenths(i, c):
    h = (mix(i * 7919 + c * 104729 + 12345) >> 16) % 12
    if c == 5:
        return 0
    if c == 3:
        return (h + (4 if label(i) == c else 0)) // 8
    return h + (4 if label(i) == c else 0)


def main():
    warnings.simplefilter("ignore")
    y = numpy.array([label(i) for i in range(IMAGES)])
    p = numpy.array([[sixteenths(i, c) / 16 for c in range(CLASSES)]
                     for i in range(IMAGES)], dtype=numpy.float32)
    top = p.argmax(axis=1)
    print(f"# scikit-learn {sklearn.__version__}: class, precision, recall, "
          "F1, ROC-AUC, average precision; without label or rest: nan")
    each = metrics.precision_recall_fscore_support(
        y, top, labels=range(CLASSES), zero_division=0)
    for c in range(CLASSES):
        some = (y == c).any()
        auc = metrics.roc_auc_score(y == c, p[:, c]) if some else numpy.nan
        ap = (metrics.average_precision_score(y == c, p[:, c]) if some
              else numpy.nan)
        print(c, *(f"{v:.12g}" for v in (*(e[c] for e in each[:3]), auc, ap)))
    macro = metrics.precision_recall_fscore_support(
        y, top, average="macro", zero_division=0)
    print("# all: macro precision, recall, F1; balanced accuracy")
    print("all", *(f"{v:.12g}" for v in (
        *macro[:3], metrics.balanced_accuracy_score(y, top))))


main()
