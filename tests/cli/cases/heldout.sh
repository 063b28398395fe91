# SPDX-License-Identifier: BSD-2-Clause
# What a model held out is held out again, however DATA is written.
seeds=$RN_SOURCE/tests/fuzz/corpus/image
mkdir -p w/train/ant w/train/bee d
for i in 0 1 2 3 4 5 6 7 8 9; do
    cp "$seeds/jpeg-one-pixel" w/train/ant/$i.jpg
    cp "$seeds/jpeg-one-pixel" w/train/bee/$i.jpg
done
ln -s w/train link
tar cf w.tar w
tar cf train.tar -C w train
small="--net resnet8 --size 8 --batch 5 --iterations 2 --augment none"
prepare resnet train w --out run $small --validation 25% --seed 3
prepare resnet train w --out all $small --seed 3

# Which pictures are evaluated, by class and file, and what is said.
look() {
    echo "\$ eval $*"
    resnet eval "$@" --json --predictions p.csv 2>&1 |
        sed 's/.*"images":\([0-9]*\).*"seconds":[^,}]*\(.*\)}/\1 images\2/'
    sed -n 's|^[^,]*\(...\)/\([0-9]\).jpg.*|\1\2|p' p.csv | sort | tr '\n' ' '
    echo
}
model=run/last.safetensors
for data in w w/ w/train ./w/train/ link "$PWD/w" w.tar train.tar; do
    look $model "$data" --part validation | sed "s|$PWD/||"
done
look $model w --part train
look $model w
look $model w --part train --validation 0
look $model w --part validation --validation 25%
look $model w --part validation --validation 5 --seed 3
look $model w --part validation --validation 25% --seed 1
look $model w --part validation --seed 1
look $model w --part validation --validation 50%
look $model w --part validation --validation 10%
look all/last.safetensors w --part validation --validation 25%
look all/last.safetensors w
# More pictures are other data; none, or those of a part of its own, as well.
cp "$seeds/jpeg-one-pixel" w/train/ant/a.jpg
look $model w --part validation --validation 25%
fails resnet eval $model w --part validation
look $model w
mkdir -p w/val/bee
cp "$seeds/jpeg-one-pixel" w/val/bee/1.jpg
look $model w --part validation
# Images of one size: the last ones.
prepare resnet train synthetic:1x8x8:4:64 --net resnet8 --out small --batch 16 \
    --iterations 2 --augment none --validation 16
look small/last.safetensors synthetic:1x8x8:4:64 --part validation
look small/last.safetensors synthetic:1x8x8:4:64 --part validation \
    --validation 16 --seed 9
look small/last.safetensors synthetic:1x8x8:4:64 --part validation \
    --validation 20
look small/last.safetensors synthetic:1x8x8:4:64
for validation in 0 16; do
    resnet eval small/last.safetensors synthetic:1x8x8:4:64 --part train \
        --validation $validation --images 4 --json | grep -o '"trained_on":[^,}]*'
done

# Images in memory that are sorted by class: what the last ones leave without.
mkdir idx
{ printf '\0\0\10\3\0\0\0\10\0\0\0\10\0\0\0\10'
  head -c 512 /dev/zero; } > idx/train-images-idx3-ubyte
printf '\0\0\10\1\0\0\0\10\0\0\0\1\1\1\1\1' > idx/train-labels-idx1-ubyte
printf 'ant\nbee\n' > idx/classes.txt
for held in 5 2 6; do
    resnet train idx --out idx-$held --net resnet8 --batch 2 --iterations 1 \
        --augment none --validation $held 2>&1 | grep 'of the 2 classes'
done
resnet train idx --out idx-0 --net resnet8 --batch 2 --iterations 1 \
    --augment none 2>&1 | grep 'of the 2 classes' || echo "all in all parts"
