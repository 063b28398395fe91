# SPDX-License-Identifier: BSD-2-Clause
# What is wrong with pictures and folders, told by every command that meets it.
seeds=$RN_SOURCE/tests/fuzz/corpus/image

# A folder of two classes that is as it should be, and a model of it.
whole() {
    rm -rf photos
    for part in train val; do
        for class in ant bee; do
            mkdir -p photos/$part/$class
            cp "$seeds/jpeg" photos/$part/$class/1.jpg
            cp "$seeds/png-rgb8" photos/$part/$class/2.png
        done
    done
}
whole
prepare resnet train photos --net resnet8 --size 32 --batch 2 --iterations 1 \
    --seed 1 --out run

# What each command says of it, with its exit status.
meets() {
    for command in "eval run/last.safetensors" \
        "train --net resnet8 --size 32 --batch 2 --out new" "data check"; do
        # shellcheck disable=SC2086
        resnet $command photos > said 2>&1
        code=$?
        echo "${command%% *} $code: $(grep -E '^(resnet: |unreadable|missing)' said |
            sed "s|$PWD/||g")"
    done
}

for seed in text empty jpeg-truncated png-bad-checksum png-huge jpeg-2000; do
    whole
    cp "$seeds/$seed" photos/val/ant/bad.png
    meets
done
# The smallest there is, and a class that only training has.
whole
cp "$seeds/png-one-pixel" photos/val/ant/one.png
resnet eval run/last.safetensors photos | grep images
whole
rm -r photos/val/ant
meets

whole
ln -s loop.jpg photos/val/ant/loop.jpg
meets
whole
ln -s .. photos/train/ant/up
meets
whole
cp "$seeds/jpeg" "$(printf 'photos/val/ant/caf\351.jpg')"
meets
whole
rm photos/val/ant/*
meets
whole
mkdir photos/val/cat
cp "$seeds/jpeg" photos/val/cat
meets
rm -rf photos/train photos/val/*
cp "$seeds/jpeg" photos/val
meets
