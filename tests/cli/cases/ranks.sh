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
