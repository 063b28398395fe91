# SPDX-License-Identifier: BSD-2-Clause
# Failures and their exit statuses.
small_run run
sum=$(cat run/* | cksum)

# The folder holds a run already: nothing of it changes.
fails resnet train $small_data --net resnet8 --out run
[ "$sum" = "$(cat run/* | cksum)" ] || echo "the run was touched"

# Folders that cannot be made, files that cannot be opened.
echo text > file
fails resnet train $small_data --net resnet8 --batch 16 --out file/run
fails resnet train $small_data --net resnet8 --batch 16 --out file
fails resnet train missing --out new
fails resnet train --resume missing
fails resnet eval missing.safetensors $small_data
fails resnet info missing.safetensors

# Bad data.
mkdir empty
fails resnet train empty --out new
fails resnet eval file $small_data
fails resnet eval empty $small_data
head -c 2000 run/last.safetensors > cut.safetensors
fails resnet eval cut.safetensors $small_data
fails resnet predict run/last.safetensors $small_data:4000 nonsense
fails resnet train synthetic:1x8x8 --out new
fails resnet train synthetic:0x8x8:4 --out new

# A model for other data.
fails resnet eval run/last.safetensors synthetic:1x9x9:4:64
fails resnet eval run/last.safetensors synthetic:1x8x8:5:64
fails resnet eval run/last.safetensors $small_data --part validation

# The loss explodes; the last good checkpoint stays.
fails resnet train $small_data --net resnet8 --out hot --batch 16 \
    --iterations 200 --lr 1000 --weight-decay 1 --schedule constant
ls
