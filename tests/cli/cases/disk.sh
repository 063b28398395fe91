# SPDX-License-Identifier: BSD-2-Clause
# A disk that becomes full in the middle of a study: its runs fail and say why,
# what was there stays whole, and with room the same command goes on to the end
# of a study that was left alone.
unshare -rm true 2> /dev/null || { echo "nothing can be mounted here"; exit 77; }
cat > runs.conf <<'END'
net = resnet8
seed = 1 | 2 | 3
iterations = 400
batch = 16
test-every = 100
save-every = 20
name = run-seed{seed}
END
prepare resnet study runs.conf $small_data --out alone
cut -d, -f1-16 alone/report.csv > alone.csv
mkdir disk

cat > on-disk.sh <<'END'
. "$RN_SOURCE/tests/cli/tools.sh"
mount -t tmpfs -o size=8m none disk || exit 77

bounded resnet study runs.conf $small_data --out disk/study > first.out 2> first.err &
study=$!
await grep -qs 'seed1: finished' first.err
cat /dev/zero > disk/filler 2> /dev/null
wait $study
echo "exit $?"
grep -c 'failed with exit status 1' first.err
grep 'failed with exit status' first.err | grep -v 'No space left\|disk is full\|has room for [0-9]* MB'

echo "## nothing that was there is lost"
resnet study --report disk/study > /dev/null 2> report.err
echo "exit $?"
grep -c 'No space left on device' report.err
tail -1 disk/study/report.html
cmp alone/run-seed1/last.safetensors disk/study/run-seed1/last.safetensors &&
    echo equal

echo "## with room again"
rm disk/filler
prepare resnet study runs.conf $small_data --out disk/study
tail -2 prepare.out
# but for the time
cut -d, -f1-16 disk/study/report.csv | cmp - alone.csv && echo equal
for run in run-seed1 run-seed2 run-seed3; do
    cmp alone/$run/last.safetensors disk/study/$run/last.safetensors && echo equal
done
find disk/study -name '*tmp*'
END
unshare -rm sh on-disk.sh
