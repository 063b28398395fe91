# SPDX-License-Identifier: BSD-2-Clause
# What a launcher's environment changes without an MPI: commands that ranks have
# no form for say so, one of them.
for rank in 0 1; do
    run env OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=$rank resnet info resnet20
    run env PMI_SIZE=3 PMI_RANK=$rank resnet predict model picture
done
run env OMPI_COMM_WORLD_SIZE=1 OMPI_COMM_WORLD_RANK=0 resnet predict model picture
fails resnet train synthetic:1x8x8:2:20 --out run --net resnet8 --batch 6 --groups 4
fails resnet train synthetic:1x8x8:2:20 --out run --net resnet8 --groups 2 --accumulate 3
fails resnet train synthetic:1x8x8:2:20 --out run --net resnet8 --timeout 0

# What large batches want: the rate of a small one, blocks that change nothing.
large="synthetic:3x8x8:2:64 --net resnet8 --batch 32 --groups 4 --lr-batch 8"
resnet train $large --out large --iterations 4 --warmup 2 --zero-gamma 2>&1 |
    grep 'images a step'
grep -o '"lr": *[0-9.]*' large/log.jsonl | tr -d ' '
resnet info large/last.safetensors --json | sed 's/.*"trained"//' | grep -o '"\(lr\|lr_batch\|zero_gamma\|groups\)": *[0-9.]*' |
    tr -d ' '
fails resnet train synthetic:3x8x8:2:64 --net plain8 --out run --zero-gamma
fails resnet train $large --out run --weights large/last.safetensors --zero-gamma
fails resnet train $large --out run --lr-batch 0
fails resnet train $large --out run --schedule poly:x
fails resnet train synthetic:1x8x8:2:20 --out run --net resnet8 --gradient-precision bf16
fails resnet bench resnet8 --mode train --gradient-precision bf16
fails resnet train $large --out run --sync-batch-norm
fails resnet train synthetic:3x32x32:2:8 --net nin --batch 4 --out run \
    --sync-batch-norm
fails resnet train $large --out run --sync-batch-norm --reestimate
