# SPDX-License-Identifier: BSD-2-Clause
# Parameters and multiply-adds, exact (He et al. 2016, tables 1 and 6).
for net in resnet20 resnet32 resnet44 resnet56 resnet110 resnet1202 plain20 \
    "resnet20 --shortcut B" "resnet20 --channels 1 --size 28" \
    "resnet20 --classes 100" resnet18 resnet34 resnet50 resnet101 resnet152 \
    "resnet50 --stride v1" plain18 plain34 resnext50_32x4d resnext101_32x8d \
    resnext101_64x4d wide_resnet50_2 wide_resnet101_2 resnet50c resnet50d \
    resnet18-3x3 vgg16 vgg16_bn se-resnet20 se-resnet50 alexnet densenet121 \
    maxout fitnet-19 densenet-40-12 densenet-bc-100-12 nin highway-19 \
    highway-32 preresnet20 preresnet164 preresnet200 \
    "cifar-preresnet20 --block bottleneck" resnetv2_50 \
    "wrn-28-10 --dropout 0.3"; do
    # shellcheck disable=SC2086
    resnet info $net --json --batch 1 |
        sed 's/.*"params":\([0-9]*\),"macs":\([0-9]*\),"layers".*/\1 \2/' |
        sed "s/^/$net: /"
done
# The less is kept, the less memory.
for what in none activations blocks; do
    resnet info resnet20 --recompute $what --json |
        sed "s/.*\"train_bytes\":\([0-9]*\),.*/\1 $what/"
done | sort -rn | cut -d ' ' -f 2
resnet info | cut -d ' ' -f 1
resnet info --json | check_json
resnet info resnet56 --json | check_json
# Names that are not known here, and a list that tells them.
cp "$RN_SOURCE/tests/fuzz/corpus/pth/zip-structure" found.pth
cp "$RN_SOURCE/tests/fuzz/corpus/pth/zip-objects" objects.pth
resnet info found.pth 2>&1 | head -n 5
{
    echo '# ours = theirs'
    echo 'conv1 = a'
    echo 'bn1 = n'
    echo 'fc = z'
    for stage in 1 2 3; do echo "layer$stage = g$stage"; done
} > list
resnet info found.pth --map list 2>&1 | head -n 2
echo 'bn7 = nothing' >> list
fails resnet info found.pth --map list
fails resnet info found.pth --holder teacher
fails resnet info objects.pth --holder model_ema
fails resnet info resnet20 --map list
fails resnet train synthetic:1x8x8:4 --out run --weights found.pth --map list
# Of a list there is nothing to count.
fails resnet info --classes 5
fails resnet info --batch 5
# What a family cannot have.
fails resnet info densenet-40-0
fails resnet info densenet-bc-101-12
fails resnet info wrn-16-4 --dropout 1
fails resnet info resnet20 --dropout 0.3
