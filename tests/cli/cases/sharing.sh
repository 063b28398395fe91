# SPDX-License-Identifier: BSD-2-Clause
# Two processes at one study at once: each run is done once, by one of them, and
# the report is that of a process alone.
cat > runs.conf <<'END'
net = resnet8
seed = 1 | 2 | 3 | 4 | 5
iterations = 40
batch = 16
name = run-seed{seed}
END
prepare resnet study runs.conf $small_data --out alone

for process in a b; do
    bounded resnet study runs.conf $small_data --out both > $process.out 2> $process.err &
    eval "$process=\$!"
done
for process in a b; do
    eval "wait \$$process"
    echo "exit $?"
done
grep -h 'begins$' a.err b.err | sort
grep -hv 'begins$\|finished after\|another process is at it$' a.err b.err

# Whoever was the last had found runs at the other's.
resnet study runs.conf $small_data --out both
ls both
for run in run-seed1 run-seed5; do
    cmp alone/$run/last.safetensors both/$run/last.safetensors && echo equal
done
cut -d, -f1-15 alone/report.csv > alone.csv
cut -d, -f1-15 both/report.csv | cmp - alone.csv && echo equal
