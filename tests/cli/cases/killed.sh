# SPDX-License-Identifier: BSD-2-Clause
# A study killed with -9 at random moments, alone or with its runs, ends in the
# report of one that was left alone.
cat > runs.conf <<'END'
net = resnet8
seed = 1 | 2
iterations = 240
batch = 16
test-every = 60
save-every = 30
record = layers:50
name = run-seed{seed}
END
seed=$(date +%N | sed 's/^0*//')
kills=0

# What the clock has no part in.
figures() {
    cut -d, -f1-16 "$1/report.csv"
    cat "$1/layers.csv"
    sed 's/[0-9]*\.[0-9] \(s\|min\) |/T |/' "$1/report.md"
    cat "$1"/run-seed*/curve.svg
    cat "$1"/run-seed*/last.safetensors | cksum
}

# The i-th of random numbers from 0 to 1.
random() {
    awk -v seed="$seed" -v i="$1" 'BEGIN {
        srand(seed); while (i-- > 0) rand(); print rand()}'
}

# Processes that it has started.
children() {
    cat /proc/[0-9]*/stat 2> /dev/null | awk -v of="$1" '$4 == of {print $1}'
}

begun=$(date +%s%N)
prepare resnet study runs.conf $small_data --out whole
took=$((($(date +%s%N) - begun) / 1000000))

for i in 1 2 3 4 5 6; do
    [ $kills -lt 3 ] || break
    resnet study runs.conf $small_data --out killed > killed.out 2>&1 &
    study=$!
    sleep "$(random $i | awk -v took=$took '{print 0.05 + $1 * took / 3000}')"
    runs=$(children $study)
    # every second time nobody is left to save
    [ $((i % 2)) = 0 ] && kill -9 $runs 2> /dev/null
    kill -9 $study 2> /dev/null && kills=$((kills + 1))
    wait $study 2> /dev/null
    for run in $runs; do
        await [ ! -d /proc/$run ]
    done
done
[ $kills -gt 0 ] && echo killed
# A run that began as its study was killed may still be saving.
for i in 1 2 3 4 5; do
    prepare resnet study runs.conf $small_data --out killed
    grep -q '2 finished' prepare.out && break
    sleep 1
done
tail -2 prepare.out
figures whole > a
figures killed > b
cmp a b && echo equal || echo "killed $kills times, seed $seed" >&2
