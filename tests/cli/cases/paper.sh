# SPDX-License-Identifier: BSD-2-Clause
# script/paper end to end on made-up images in CIFAR's files, of which a trial
# takes some: a study, and the responses of its models (records of layers are in
# study.sh); what its arguments may be.
command -v python3 > /dev/null || { echo "python3 is missing"; exit 77; }
python3 -c '
import os, random
random.seed(1)
os.mkdir("cifar")
for name in *(f"data_batch_{i}" for i in range(1, 6)), "test_batch":
    with open(f"cifar/{name}.bin", "wb") as file:
        for i in range(200):
            file.write(bytes([i // 10 % 10]) + random.randbytes(3072))
' || exit 1
paper() {
    python3 "$RN_SOURCE/script/paper" cifar \
        --scale 1/64000 --out paper "$@"
}
seconds() {
    sed 's/: [0-9]* s$/: T/'
}

echo "## fig1, of fig6's runs"
prepare paper --only fig1
seconds < prepare.out | grep -v 'begins\|finished after'
cut -d, -f1,5-7 paper/fig6-1-64000/report.csv
grep -o '<h1>[^<]*' paper/fig6-1-64000/report.html
wc -c paper/cifar-part/*.bin | awk '{print $1 / 3073, $2}'

echo "## fig7"
prepare paper --only fig7
cut -d, -f1 paper/fig7-1-64000/responses.csv | uniq -c | awk '{print $1, $2}'
grep -c '<polyline' paper/fig7-1-64000/responses.svg

echo "## what no scale shortens: by a program that only tells what it is given"
mkdir -p stub paper/fig6-1-64/resnet110-seed1 paper/fig6-1-40/resnet56-seed1
printf '#!/bin/sh\necho "$@"\n' > stub/resnet
chmod +x stub/resnet
for scale in 1/64 1/40; do
    for figure in fig6 fig7 whole deep; do
        RN_BUILD=stub paper --scale $scale --only $figure | seconds
    done
done
grep 'resnet110\|^iterations' paper/*-1-64.conf paper/fig6-1-40.conf paper/deep*.conf
[ -e paper/whole-1-64 ] && echo "a run of 110 layers is linked to"

echo "## a run of two figures is made once"
RN_BUILD=stub paper --scale 1/40 --only table3 | seconds
find paper -type l -path '*1-40/*' -printf '%p is %l\n' | sort

echo "## arguments"
paper pictures --only fig4 more 2>&1 | tail -1 | sed 's/^[^:]*: //'
for figure in fig4 fig1; do
    python3 "$RN_SOURCE/script/paper" --only $figure 2>&1 | tail -1 |
        sed 's/^[^:]*: //'
done
python3 "$RN_SOURCE/script/paper" 2>&1 | tail -1 | sed 's/^[^:]*: //'
python3 "$RN_SOURCE/script/paper" --only survey --list |
    grep -o 'resnet152=.*'
RN_BUILD=stub python3 "$RN_SOURCE/script/paper" --only fig4 pictures \
    --scale 1/2 --out paper | seconds
paper --only fig2 2>&1 | tail -1 | sed 's/^[^:]*: //; s/ (choose.*//'
paper --scale 1/0 2>&1 | tail -1 | sed 's/^[^:]*: //'
paper --scale 2 2>&1 | tail -1 | sed 's/^[^:]*: //'
