# SPDX-License-Identifier: BSD-2-Clause
# Wrong usage ends with 2 and says what would be right.
fails resnet
fails resnet trian
fails resnet xyzzyxyzzy
fails resnet --versoin
fails resnet --version foo
fails resnet features model photo.png --output f.npy --labels names.txt
fails resnet responses model data --head sigmoid
fails resnet info resnet21
fails resnet info imagenet
fails resnet info resnet20 --clases 4
fails resnet info resnet20 --zzzzzzzzzzzz
fails resnet info resnet20 -b 4
fails resnet info resnet20 resnet32
fails resnet info resnet20 --batch 0
fails resnet info resnet20 --batch=12x
fails resnet info resnet20 --batch
fails resnet info resnet20 --size 32y32
fails resnet info resnet20 --shortcut D
fails resnet info resnet20 --stride 2
fails resnet info resnet20 --json=maybe
fails resnet info x.safetensors --classes 4
fails resnet train
fails resnet train synthetic:1x8x8:4
fails resnet train synthetic:1x8x8:4 --out run --lr fast
fails resnet train synthetic:1x8x8:4 --out run --lr nan
fails resnet train synthetic:1x8x8:4 --out run --lr 0x1p-4
fails resnet train synthetic:1x8x8:4 --out run --validation 0x10
fails resnet train synthetic:1x8x8:4 --out run --lr -1
fails resnet train synthetic:1x8x8:4 --out run --seed -1
fails resnet train synthetic:1x8x8:4 --out run --augment crops
fails resnet train synthetic:1x8x8:4 --out run --epochs 2 --iterations 2
fails resnet train synthetic:1x8x8:4 --out run --net resent20
fails resnet train synthetic:1x8x8:4 --out run --schedule stairs
fails resnet train synthetic:1x8x8:4 --out run --warmup soon
fails resnet train synthetic:1x8x8:4:20 --net resnet8 --out run --batch 21
fails resnet train synthetic:1x8x8:4 --out run --augment flip --crop-pad 7
fails resnet train --resume run --lr 0.1
fails resnet train synthetic:1x8x8:4 --resume run
fails resnet eval model
fails resnet predict model
fails resnet bench
ls
