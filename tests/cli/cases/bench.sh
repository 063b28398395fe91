# SPDX-License-Identifier: BSD-2-Clause
run resnet bench resnet8 --size 8 --batch 4 --seconds 0.1
resnet bench resnet8 --size 8 --batch 4 --seconds 0.1 --mode train --layers \
    > out
grep -c 'layer[123].*conv[12]' out > convs
[ "$(cat convs)" -ge 18 ] || cat out
grep -o '^step  *pass  *algorithm  *precision  *ms  *share %.*' out | tr -s ' '
grep -o '^convolution and fc, [a-z ]*[a-z]' out
# What is made again is told apart.
resnet bench resnet8 --size 8 --batch 4 --seconds 0.1 --mode train --layers \
    --recompute blocks > out
grep '^layer1.0.conv1 ' out | grep -o 'conv1\|recompute\|forward\|backward [a-z]*'
grep -o '^convolution, [a-z ]*[a-z]' out
grep -o '^measured peak  *[1-9]' out | tr -d '1-9'
# For other threads than there are, without running.
resnet bench resnet8 --size 8 --batch 4 --layers --as-threads 64 > out
head -n 1 out | tr -s ' '
grep '^conv1 ' out | grep -o 'its own'
grep '^mode\|^shares\|^barriers\|^not known\|^memory' out
resnet bench resnet8 --batch 4 --mode train --as-threads 3 --json | check_json
fails resnet bench resnet8 --as-threads 1025
fails resnet bench resnet8 --as-threads 2 --threads 2
fails resnet bench --data photos --as-threads 2
fails resnet bench resnet8 --as-threads 2 --seconds 3
fails resnet bench resnet8 --as-threads 2 --powercap photos
fails resnet bench resnet8 --mode train --as-threads 2 --gradient-precision bf16
fails resnet bench resnet8 --recompute blocks
# Batches side by side.
resnet bench resnet8 --size 8 --batch 2 --threads 2 --streams 2 --seconds 0.1 \
    > out
grep -o 'batch 2, threads 2, streams 2' out
fails resnet bench resnet8 --threads 2 --streams 3
fails resnet bench resnet8 --threads 2 --streams 2 --layers
fails resnet bench resnet8 --threads 2 --streams 2 --mode train
fails resnet bench resnet8 --as-threads 2 --streams 2
fails resnet bench resnet8 --survey surveyed --streams 2
# Loading alone.
mkdir -p photos/a
cp "$RN_SOURCE/tests/fuzz/corpus/image/jpeg" photos/a/1.jpg
cp "$RN_SOURCE/tests/fuzz/corpus/image/webp" photos/a/2.webp
run resnet bench --data photos --seconds 0.01 --threads 2 --batch 4 --size 32
resnet bench --data photos --seconds 0.01 --json | check_json
fails resnet bench --data $small_data
fails resnet bench resnet8 --data photos
fails resnet bench --data photos --mode train
fails resnet bench --data photos --layers
fails resnet bench --data photos --classes 10
: > photos/a/3.jpg
fails resnet bench --data photos --seconds 0.01
fails resnet bench resnet8 --size 8 --exact --winograd 4x4
fails resnet bench resnet8 --size 8 --emulate
