# SPDX-License-Identifier: BSD-2-Clause
# Runs under the launchers of the MPIs that plugins are built for: the same
# weights on any number of ranks (RN_RANKS: 2 4), and of a run that goes on on
# each of them in turn; and what one rank says of what cannot be.
found= first= ranks=${RN_RANKS:-2 4}
small="synthetic:3x8x8:4:90 --net resnet8 --batch 24 --groups 8 --threads 1 --seed 3"
hash() {
    sha256sum < "$1/last.safetensors"
}
figures() {
    sed 's/"seconds":[^,}]*//'
}
# Rank 1 of those that this starts is of another instruction set.
cat > other.sh <<'END'
[ "${OMPI_COMM_WORLD_RANK-}${PMI_RANK-}" != 1 ] || export ONEDNN_MAX_CPU_ISA=SSE41
exec resnet "$@"
END
cat > differ <<'END'
2 rank 1 (): the instruction
0 "mixed": "rank 1
2 rank 1 (): the instruction
2 rank 1 (): the layout
END
# Rank 1 runs the other command.
cat > either.sh <<END
[ "\${OMPI_COMM_WORLD_RANK-}\${PMI_RANK-}" = 1 ] || exec resnet train $small "\$@"
exec resnet eval alone/last.safetensors synthetic:3x8x8:4:90
END
# Rank 1 evaluates otherwise.
cat > further.sh <<'END'
[ "${OMPI_COMM_WORLD_RANK-}${PMI_RANK-}" = 1 ] || further=
exec resnet eval "$@" $further
END
cat > named <<'END'
--preprocess zero-one: the checksum of how images are prepared
--resize 10: the checksum of how images are prepared
--activation leaky-relu: the checksum of the models' layers
--labels swapped: the checksum of the models' classes for those of DATA
--batch 1: what is evaluated
--seed 2: the checksum of these images' names
--precision fp32: --precision
--exact: --exact
--crops 10: --crops
--as-stored: --as-stored
END
printf 'b\na\n' > swapped
# where there are no vectors of 16 channels, they all lie alike
grep -q avx512bw /proc/cpuinfo || sed -i '4s/.*/0 "mixed": "rank 1/' differ
printf 'net = resnet8\nbatch = 24\ngroups = 4\niterations = 2 | 4\nlr = 0.1 | 1e6\n%s' \
    'exclude = iterations=2 lr=1e6' > small.conf
small_photos
prepare resnet train photos --net resnet8 --size 8 --resize 12 --batch 2 \
    --epochs 1 --out shown
printf 'net = resnet8\nsize = 8\nbatch = 2\nepochs = 3\nname = run\n' > moved.conf
prepare resnet train $small --iterations 8 --out alone
resnet study small.conf synthetic:3x8x8:4:90 --out studied --threads 1 > said 2>&1
prepare resnet train $small --schedule constant --iterations 8 --out other
figures=$(resnet eval alone/last.safetensors synthetic:3x8x8:4:90 \
    --part train --json 2> said | figures)
for mpi in ompi mpich; do
    find_launcher $mpi || continue
    found=yes
    first=${first:-$mpi}
    for n in $ranks; do
        launch $n resnet train $small --iterations 8 --out $mpi-$n \
            --quiet > said 2>&1 || cat said
        [ "$(hash $mpi-$n)" = "$(hash alone)" ] || echo "$mpi: $n ranks differ"
    done
    launch 4 resnet train ${small%--groups*} --sync-batch-norm \
        --iterations 8 --out $mpi-synced --quiet > said 2>&1 || cat said
    [ "$(hash $mpi-synced)" = "$(hash "$first-synced")" ] ||
        echo "$mpi: $first computed other bits"
    launch $n resnet train $small --schedule constant --iterations 1 \
        --out $mpi-on --quiet > said 2>&1 || cat said
    done=1
    for n in $ranks; do
        done=$((done + 1))
        launch $n resnet train --resume $mpi-on --iterations $done \
            --quiet > said 2>&1 || cat said
    done
    resnet train --resume $mpi-on --iterations 8 --quiet > said 2>&1 || cat said
    [ "$(hash $mpi-on)" = "$(hash other)" ] || echo "$mpi: resumed runs differ"
    launch 3 resnet eval alone/last.safetensors synthetic:3x8x8:4:90 \
        --part train --json > evaluated 2> said || cat said
    [ "$(figures < evaluated)" = "$figures" ] || cat evaluated
    # machines that differ: in what computes, and in how weights lie
    for most in AVX2 AVX512_CORE; do
        for more in "" --allow-mixed; do
            launch 2 env ONEDNN_MAX_CPU_ISA=$most sh other.sh train $small \
                --iterations 2 --out $mpi-$most --quiet $more > said 2>&1
            echo $? $(grep -o 'rank 1 (.*): the [a-z]*' said | sed 's/(.*)/()/') \
                $(grep -o '"mixed": "rank 1' $mpi-$most/run.json 2> /dev/null)
        done
    done > mixed
    cmp mixed differ || cat mixed said
    launch 2 sh other.sh eval alone/last.safetensors synthetic:3x8x8:4:90 \
        --allow-mixed > evaluated 2> said || cat said
    [ "$(grep -c 'last digits depend' said)" -eq 1 ] || cat said
    launch 2 sh either.sh --out $mpi-bad > said 2>&1
    [ "$(grep '^resnet: ' said | sed 's/(.*)/()/')" = "resnet: rank 1 (): \
the work is 'resnet eval', on rank 0 it is 'resnet train'" ] || cat said
    while read -r line; do
        export further="${line%:*}"
        launch 2 sh further.sh shown/last.safetensors photos --part validation \
            --validation 4 --batch 2 > evaluated 2> said &&
            echo "$mpi: $further on one rank does not fail"
        [ "$(grep '^resnet: ' said | sed 's/^.*): \(.*\) is .* on rank 0.*/\1/')" = \
            "${line#*: }" ] || cat said
    done < named
    # a study, all runs by all ranks, a failed one among them
    launch 2 resnet study small.conf synthetic:3x8x8:4:90 --out $mpi-studied \
        --threads 1 > said 2>&1
    [ $? -eq 1 ] && grep -q '^3 runs, .* 1 failed' said || cat said
    for run in iterations2-lr0.1 iterations4-lr0.1; do
        [ "$(hash $mpi-studied/$run)" = "$(hash studied/$run)" ] ||
            echo "$mpi: $run of the study differs"
    done
    # one that goes on where the data lie now
    cp -r photos $mpi-before
    launch 2 resnet study moved.conf $mpi-before --out $mpi-moved --threads 1 \
        > said 2>&1 || cat said
    mv $mpi-before $mpi-now
    rm $mpi-moved/run/last.safetensors
    launch 2 resnet study moved.conf $mpi-now --out $mpi-moved --threads 1 \
        > said 2>&1 || cat said
    launch 2 resnet bench resnet8 --size 8 --mode train --batch 8 \
        --seconds 0.01 --json > timed 2> said || cat said
    grep -q '"ranks":2,"step_seconds":0.*"sent_bytes_most":[1-9]' timed ||
        cat timed
    for command in "train $small --out $mpi-bad" "info resnet20" "bench resnet8" \
        "study small.conf --out $mpi-bad --jobs 2" "study --report studied" \
        "eval alone/last.safetensors synthetic:3x8x8:4:90 --confusion /no/where.csv"; do
        # shellcheck disable=SC2086
        launch 3 resnet $command > said 2>&1 &&
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
