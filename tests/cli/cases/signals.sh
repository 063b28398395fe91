# SPDX-License-Identifier: BSD-2-Clause
# Signals finish the iteration, save, and tell how to go on; going on ends where
# an uninterrupted run does, to the bit.
options="--net resnet8 --batch 16 --iterations 1500 --seed 5 --save-every 200
    --test-every 500 --threads 1"
data=synthetic:1x8x8:4:64
# shellcheck disable=SC2086
prepare resnet train $data $options --out whole

# --default-signal: the suite itself may run under nohup.
for signal in INT TERM HUP USR1 USR2 XCPU; do
    # shellcheck disable=SC2086
    env --default-signal=HUP resnet train $data $options --out $signal \
        > out 2> err &
    child=$!
    # once it has logged something it is in the middle
    await [ -s $signal/last.safetensors ]
    echo "called $(cat /proc/$child/comm)"
    kill -$signal $child
    wait $child
    echo "exit $?"
    sed -n -e '/^resnet:/p' \
        -e '/^stopped/s/iteration [0-9,]* of/iteration N of/p' err
    prepare resnet train --resume $signal --json
    for file in last.safetensors best.safetensors; do
        cmp whole/$file $signal/$file && echo "$file is the same"
    done
done

# A closed terminal sends SIGHUP twice; what nohup left ignored stays so.
begin() {
    # shellcheck disable=SC2086
    "$@" resnet train $data $options --out "$name" > out 2> err &
    child=$!
    await [ -s "$name/last.safetensors" ]
}
name=twice
begin env --default-signal=HUP
kill -HUP $child
kill -HUP $child 2> kill.err
wait $child
echo "exit $?"
name=nohup
begin nohup
kill -HUP $child
wait $child
echo "exit $?"
cmp whole/last.safetensors nohup/last.safetensors && echo "the same"
