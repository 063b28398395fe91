# SPDX-License-Identifier: BSD-2-Clause
# Job scripts of examples/slurm, with programs in Slurm's place: a run whose time
# is over saves, its job is queued again and goes on to the same bits.
scripts=$RN_SOURCE/examples/slurm
mkdir slurm
cat > slurm/srun <<'END'
#!/bin/sh
echo "srun $SRUN_CPUS_PER_TASK: $*" | sed "s|$PWD/||g" >> asked
while [ "${1#--}" != "$1" ]; do
    shift
done
[ -n "$LIMIT" ] || exec "$@"
"$@" &
while [ ! -e "$LIMIT" ] && kill -0 $! 2> gone; do
    sleep 0.05
done
kill -USR1 $!
wait $!
END
cat > slurm/scontrol <<'END'
#!/bin/sh
echo "scontrol $*" >> asked
END
chmod +x slurm/*
export PATH="$PWD/slurm:$PATH" SLURM_JOB_ID=4711 SLURM_CPUS_PER_TASK=1 LIMIT
options="--net resnet8 --batch 16 --iterations 600 --seed 5 --save-every 100
    --test-every 300"
data=synthetic:1x8x8:4:64
# job NAME ARGUMENT...: its exit status, and what was asked of Slurm
job() {
    echo "##" $*
    name=$1
    shift
    rm -f asked
    "$scripts/$name.sh" "$@" > out 2> err
    echo "exit $?"
    grep 'time is over\|usage' out err | sed 's/^[^:]*: *//'
    [ ! -e asked ] || cat asked
}
# shellcheck disable=SC2086
prepare resnet train $data $options --out whole

LIMIT=run/last.safetensors
# shellcheck disable=SC2086
job train $data run $options
LIMIT=
job train $data run --quiet --net resnet8 --timeout 60 --seed 5
cmp whole/last.safetensors run/last.safetensors && echo "the same"
job train $data
job eval run/last.safetensors $data --part train

printf 'net = resnet8\niterations = 600\nbatch = 16\nsave-every = 100\nseed = 1 | 2\n' \
    > small.conf
LIMIT=studied/seed1/last.safetensors
SLURM_JOB_ID=4713 SLURM_ARRAY_TASK_ID=2 job study small.conf $data studied
LIMIT=
job study small.conf $data studied
cut -d, -f2,7 studied/report.csv
