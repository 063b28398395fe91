# SPDX-License-Identifier: BSD-2-Clause
# A run's folder is as good as its model, for every command; a run goes on with
# more threads, data elsewhere and, where the schedule allows it, for longer.
small_run run
for command in "info run --json" "info run/best.safetensors --json"; do
    # shellcheck disable=SC2086
    resnet $command 2>&1 | cut -c1-35
done
fails resnet eval run $small_data --json
fails resnet predict run $small_data:0
fails resnet features run $small_data:0 --output f.npy
fails resnet convert run c.safetensors
cmp c.safetensors run/best.safetensors && echo "best is taken"
fails resnet diff run run/last.safetensors
fails resnet bench run --seconds 0.1
prepare resnet train $small_data --weights run --out tuned --batch 16 \
    --iterations 1
rm run/best.safetensors
fails resnet info run
rm run/last.safetensors
fails resnet info run
mkdir empty resnet20
fails resnet info empty
# a network's name means the network, whatever lies here
resnet info resnet20 | head -1
fails resnet info ./resnet20
# going on otherwise
prepare resnet train $small_data --net resnet8 --out again --batch 16 \
    --iterations 5 --schedule constant --augment none
fails resnet train --resume again --iterations 4
fails resnet train --resume again --batch 4
fails resnet train --resume again --data synthetic:1x8x8:4:65
fails resnet train --resume again --epochs 3 --iterations 9
fails resnet train $small_data --data synthetic:1x8x8:4:65 --out new
fails resnet train $small_data --resume again
prepare resnet train --resume again --iterations 8 --threads 1
sed -n '/"changes"/,/^  \]/p' again/run.json | sed '/"checkpoint"/d'
