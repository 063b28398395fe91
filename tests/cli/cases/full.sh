# SPDX-License-Identifier: BSD-2-Clause
# A limit on the size of files is an error like a full disk: known before the
# first step of training, told by whatever else writes, and no part of a file
# stays.
small_run small
(
    ulimit -f 16 || exit 77
    fails resnet train synthetic:1x8x8:4:64 --net resnet20 --out run \
        --batch 16 --iterations 3
    fails resnet convert small/last.safetensors out.onnx
    fails resnet features small/last.safetensors $small_data:0-11 \
        --stage conv2 --output out.csv
) || exit 77
echo run* out*
exit 0
