# SPDX-License-Identifier: BSD-2-Clause
# A full disk, as far as a limit on the size of files is one: the checkpoint
# cannot be written, and no part of it stays.
(
    trap '' XFSZ
    ulimit -f 16 || exit 77
    fails resnet train synthetic:1x8x8:4:64 --net resnet20 --out run \
        --batch 16 --iterations 3
) || exit 77
ls run | grep -v '^run.json$\|^log.jsonl$\|^curve.svg$'
exit 0
