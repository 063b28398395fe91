# SPDX-License-Identifier: BSD-2-Clause
run resnet info resnet8 --channels 1 --size 8 --classes 4
resnet info resnet8 --size 8x16 --batch 7 --json |
    grep -o '"input":[^]]*.\|"classes":[0-9]*\|"batch":[0-9]*'
