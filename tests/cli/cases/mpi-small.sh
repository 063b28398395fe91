# SPDX-License-Identifier: BSD-2-Clause
# Two ranks under each MPI train, evaluate and fail: little, for builds with
# sanitizers, where a rank that loses memory or leaves it fails, too. What an MPI
# keeps is told by its frames, and it comes without frame pointers.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}fast_unwind_on_malloc=0"
data=synthetic:3x8x8:4:48 found=
small="$data --net resnet8 --batch 8 --groups 2 --threads 1 --seed 3 --iterations 3"
plain="--ema 0.9 --save-every 2"
halves="--optimizer lars --gradient-precision bf16"
hash() {
    sha256sum < "$1/last.safetensors"
}

cat > late.sh <<'END'
[ "${OMPI_COMM_WORLD_RANK-}${PMI_RANK-}" != 1 ] || sleep 7
exec resnet "$@"
END
cat > absent.sh <<'END'
[ "${OMPI_COMM_WORLD_RANK-}${PMI_RANK-}" != 1 ] || exit 1
exec resnet "$@"
END

for options in plain halves; do
    eval "prepare resnet train $small \$$options --out $options"
done
for mpi in ompi mpich; do
    find_launcher $mpi || continue
    found=yes
    for options in plain halves; do
        eval "launch 2 resnet train $small \$$options --quiet --out $mpi-$options" \
            > said 2>&1 || cat said
        [ "$(hash $mpi-$options)" = "$(hash $options)" ] ||
            echo "$mpi, $options: two ranks differ"
    done
    launch 2 resnet eval plain/last.safetensors $data --part train \
        > evaluated 2> said || cat said
    launch 2 resnet train ${small%--iterations*} --iterations 9 --lr 1e6 \
        --sync-batch-norm --out $mpi-far > said 2>&1
    grep -q 'not finite' said && ! grep -q Sanitizer said || cat said
    # a rank that comes late, later than the least --timeout and what is added
    launch 2 sh late.sh train $small --quiet --out $mpi-late > said 2>&1 || cat said
    # one that never comes, as one that lacks the plugin
    launch 2 sh absent.sh train $small --timeout 1 --out $mpi-absent > said 2>&1 &&
        cat said
    if [ $mpi = mpich ]; then
        grep -q '^resnet: rank 0: not all 2 ranks have come for 6 s$' said || cat said
    fi
    [ ! -e $mpi-absent ] || echo "$mpi: there is a run without a rank"
done
if [ -z "$found" ]; then
    echo "no plugin is built for an MPI that is installed"
    exit 77
fi
echo "the same weights"
