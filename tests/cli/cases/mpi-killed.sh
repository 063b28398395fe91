# SPDX-License-Identifier: BSD-2-Clause
# Ranks killed with -9 at random moments, under each MPI: all end soon, with a
# status that tells, and the run goes on to the weights of one left alone, on
# several ranks and by itself in turn. RN_KILLS of each MPI (2), of RN_RANKS (2).
kills=${RN_KILLS:-2} ranks=${RN_RANKS:-2} found=
seed=$(date +%N | sed 's/^0*//')
small="synthetic:3x8x8:4:96 --net resnet8 --batch 24 --groups $ranks --threads 1
    --seed 3 --iterations 60 --test-every 60 --save-every 10 --timeout 20 --quiet"
hash() {
    sha256sum < "$1/last.safetensors"
}

# The i-th of random numbers from 0 to 1.
random() {
    awk -v seed="$seed" -v i="$1" 'BEGIN {
        srand(seed); while (i-- > 0) rand(); print rand()}'
}

now() {
    date +%s%N | sed 's/......$//'
}

# Wait until no rank is left, 10 s at the most.
all_ended() {
    for i in $(seq 100); do
        [ -n "$(own)" ] || return 0
        sleep 0.1
    done
    echo "$mpi, kill $1: ranks are left"
    kill -9 $(own)
}

# Start a run on the ranks, kill one of them, and see what is left.
kill_one() {
    out=$mpi-$1
    # shellcheck disable=SC2086
    launch $ranks resnet train $small --out $out > said 2>&1 &
    sleep "$(random $((2 * $1)) | awk -v took=$took '{print $1 * took / 1000}')"
    victim=$(own | awk -v r="$(random $((2 * $1 + 1)))" '
        {pid[NR] = $1} END {if (NR) print pid[int(r * NR) + 1]}')
    killed=no
    [ -n "$victim" ] && kill -9 $victim 2> /dev/null && killed=yes
    begun=$(now)
    wait $!
    status=$?
    all_ended $1
    took_end=$(($(now) - begun))
    longest=$((took_end > longest ? took_end : longest))
    [ $status -ne 0 ] && [ $killed = yes ] && hits=$((hits + 1))
    [ $status -eq 0 ] && return
    if [ -e $out/last.safetensors ]; then
        going="$going $out"
    else
        rm -rf $out
    fi
}

prepare resnet train $small --out alone
for mpi in ompi mpich; do
    find_launcher $mpi || continue
    found=yes hits=0 longest=0 going=
    begun=$(now)
    # shellcheck disable=SC2086
    prepare launch $ranks resnet train $small --out $mpi-whole
    took=$(($(now) - begun))
    for i in $(seq $((3 * kills))); do
        [ $hits -lt $kills ] || break
        kill_one $i
    done
    [ $hits -gt 0 ] || echo "$mpi: no rank was killed in a run"
    by=
    for run in $going; do
        if [ -z "$by" ]; then
            by="launch $ranks"
        else
            by=
        fi
        # shellcheck disable=SC2086
        prepare $by resnet train --resume $run --quiet
        [ "$(hash $run)" = "$(hash alone)" ] || echo "$run differs, seed $seed"
    done
    [ -z "${RN_KILLS:-}" ] || echo "$mpi: $hits killed of $ranks ranks, \
$(echo $going | wc -w) gone on, all ended after $longest ms at the most"
done
if [ -z "$found" ]; then
    echo "no plugin is built for an MPI that is installed"
    exit 77
fi
echo "the same weights"
