# SPDX-License-Identifier: BSD-2-Clause
# Pictures in archives: every command says of them what it says of the folder.
seeds=$RN_SOURCE/tests/fuzz/corpus/image
for part in train val; do
    mkdir -p photos/$part/ant photos/$part/bee
    cp "$seeds/jpeg" photos/$part/ant/1.jpg
    cp "$seeds/jpeg-grey" photos/$part/ant/2.jpg
    cp "$seeds/jpeg-orientation-6" photos/$part/bee/1.jpg
    cp "$seeds/png-palette4-alpha" photos/$part/bee/2.png
done
echo nothing > photos/train/ant/._1.jpg
tar cf photos.tar photos
mkdir parts
tar cf parts/train.tar -C photos/train .
tar cf parts/val.tar -C photos val
# ImageNet's: a tar for each class in one tar.
mkdir packed
for class in ant bee; do tar cf packed/$class.tar -C photos/train/$class .; done
tar cf ILSVRC.tar -C packed ant.tar bee.tar

# The output of a command for the folder, and for those that should be the same.
same() {
    folder=$1 others=$2
    shift 2
    "$@" "$folder" > ../expected 2> ../messages || cat ../messages
    for other in $others; do
        "$@" "$other" 2>&1 | sed "s|$other|$folder|g" | cmp - ../expected &&
            echo "$other: $*"
    done
}

same photos "photos.tar parts" resnet data stats
same photos "photos.tar" resnet data check
same photos/train "ILSVRC.tar packed parts/train.tar" resnet data stats
for data in photos photos.tar; do
    resnet data show $data --output $data.png --size 20 --count 8 ||
        echo "exit $?"
done
cmp photos.png photos.tar.png && echo "one sheet"

small="--net resnet8 --size 8 --batch 4 --iterations 2 --threads 1"
for data in photos photos.tar; do
    prepare resnet train $data $small --out run-$data
    tail -c 299080 run-$data/best.safetensors > weights-$data
done
cmp weights-photos weights-photos.tar && echo "one training"
cp run-photos/best.safetensors model.safetensors
same photos "photos.tar parts" resnet eval model.safetensors
same photos "photos.tar" resnet eval model.safetensors --scales 8,12
same photos/train "parts/train.tar" resnet predict model.safetensors
for data in photos/train parts/train.tar; do
    prepare resnet features model.safetensors $data --output features.csv
    sed "s|$data|photos/train|" features.csv > features-${data##*/}
done
cmp features-train features-train.tar && echo "the same features"
for data in photos photos.tar; do
    prepare resnet eval model.safetensors $data --predictions $data.csv \
        --mistakes $data.html
    sed -i "s|$data/|photos/|" $data.csv
done
cmp photos.csv photos.tar.csv && echo "one table"
grep -o 'src="[^,]*' photos.tar.html | sort -u

# What is compressed as a whole is unpacked, which is said.
gzip -k photos.tar
resnet eval model.safetensors photos > expected 2> messages
fails resnet eval model.safetensors photos.tar.gz
resnet eval model.safetensors photos.tar.gz 2> messages |
    sed 's|photos.tar.gz|photos|' | cmp - expected && echo "the same, unpacked"

# What is broken, what has changed.
head -c 500 photos.tar.gz > short.tar.gz
fails resnet data check short.tar.gz
head -c 3000 photos.tar > short.tar
fails resnet data check short.tar
echo nothing > nothing.tar
fails resnet data check nothing.tar
cp "$seeds/jpeg-truncated" photos/train/ant/3.jpg
: > photos/train/ant/4.jpg
tar cf photos.tar photos
run resnet data check photos.tar
fails resnet train photos.tar $small --out run-bad
fails resnet train --resume run-photos.tar
