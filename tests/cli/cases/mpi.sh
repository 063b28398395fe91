# SPDX-License-Identifier: BSD-2-Clause
# Runs under the launchers of the MPIs that plugins are built for: the same
# weights on any number of ranks, and what one rank says of what cannot be.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
found=
small="synthetic:3x8x8:4:90 --net resnet8 --batch 24 --groups 4 --threads 1 --seed 3"
hash() {
    sha256sum < "$1/last.safetensors"
}
figures() {
    sed 's/"seconds":[^,}]*//'
}
prepare resnet train $small --iterations 8 --out alone
prepare resnet train $small --schedule constant --iterations 8 --out other
figures=$(resnet eval alone/last.safetensors synthetic:3x8x8:4:90 \
    --part train --json 2> said | figures)
for mpi in ompi mpich; do
    case $mpi in
    ompi) launch=$(command -v mpirun.openmpi) ;;
    mpich) launch=$(command -v mpirun.mpich) ;;
    esac
    [ -n "$launch" ] && [ -f "$RN_BUILD/libresnet-$mpi.so" ] || continue
    found=yes
    for n in 2 4; do
        "$launch" -n $n resnet train $small --iterations 8 --out $mpi-$n \
            --quiet > said 2>&1 || cat said
        [ "$(hash $mpi-$n)" = "$(hash alone)" ] || echo "$mpi: $n ranks differ"
    done
    "$launch" -n 4 resnet train $small --schedule constant --iterations 4 \
        --out $mpi-on --quiet > said 2>&1 || cat said
    "$launch" -n 2 resnet train --resume $mpi-on --iterations 8 --quiet \
        > said 2>&1 || cat said
    [ "$(hash $mpi-on)" = "$(hash other)" ] || echo "$mpi: resumed runs differ"
    "$launch" -n 3 resnet eval alone/last.safetensors synthetic:3x8x8:4:90 \
        --part train --json > evaluated 2> said || cat said
    [ "$(figures < evaluated)" = "$figures" ] || cat evaluated
    for command in "train $small --out $mpi-bad" "info resnet20"; do
        # shellcheck disable=SC2086
        "$launch" -n 3 resnet $command > said 2>&1 &&
            echo "$mpi: $command does not fail"
        [ "$(grep -c '^resnet: ' said)" -eq 1 ] || cat said
    done
    [ ! -e $mpi-bad ] || echo "$mpi: a refused run left its folder"
done
if [ -z "$found" ]; then
    echo "no plugin is built for an MPI that is installed"
    exit 77
fi
echo "the same on all"
