# SPDX-License-Identifier: BSD-2-Clause
# Studies: the runs of a file, their report, and files that make no sense.
cat > fine.conf <<'END'
title = Two depths & "steps"
net = resnet8 | plain8
seed = 1 | 2
iterations = 5
batch = 16
augment = none
test-every = 5
exclude = net=plain8 seed=2
when = net=plain*: lr=0.05
figure = Residual: resnet8*
figure = Plain: plain8*
END
study() {
    resnet study "$@" 2>&1 | sed 's/[0-9.]* \(s\|ms\)$/T/; s/about .* one/about T one/; s/ status 4: .*/ status 4/'
}

echo "## what there is to do"
resnet study fine.conf $small_data --out fine --list | awk 'NF == 8 {print $1, $2, $3, $4}'
[ -e fine ] && echo "made a folder"

echo "## auxiliary heads, groups, averages and sums count in what runs need"
# needs DATA: the runs of needs.conf, from the least memory to the most
needs() {
    resnet study needs.conf "$1" --out needs --list |
        awk '$8 ~ /^[kMG]B$/ {printf "%.0f %s\n", $7 * ($8 == "kB" ? 1e3 : $8 == "MB" ? 1e6 : 1e9), $1}' |
        sort -n | cut -d' ' -f2
}
printf 'net = dsn\nbatch = 1\niterations = 1\naux-heads = auto | off\n' > needs.conf
needs synthetic:3x32x32:4:8
printf 'net = resnet8\nbatch = 64\niterations = 1\ngroups = 1 | 4\n' > needs.conf
needs $small_data
printf 'net = resnet8\nbatch = 64\nepochs = 4\nema = 0 | 0.9\naccumulate = 1 | 4\n' > needs.conf
needs $small_data
resnet study needs.conf $small_data --out needs --list | awk 'NF == 8 {print $1, $4}'
printf 'net = resnet8\nbatch = 24\nepochs = 3\nlast-batch = wrap | drop | keep\nvalidation = 0 | 16\n' > needs.conf
resnet study needs.conf $small_data --out needs --list | awk 'NF == 8 {print $1, $4}'
printf 'net = resnet8\niterations = 1\nbatch = 65\n' > needs.conf
resnet study needs.conf $small_data --out needs --list 2>&1 | head -n 3
printf 'net = resnet8\niterations = 1\nbatch = 16\nteacher = none.safetensors\n' > needs.conf
resnet study needs.conf $small_data --out needs --list | tail -n 1 | sed 's/about .* one/about T one/'
prepare resnet train $small_data --net resnet8 --iterations 1 --batch 16 --out teacher
mv teacher/last.safetensors none.safetensors
resnet study needs.conf $small_data --out needs --list | tail -n 1 | sed 's/about .* one/about T one/'
resnet study needs.conf $small_data --out needs --list --json
echo "exit $?"

echo "## a study, and again"
study fine.conf $small_data --out fine
ls fine fine/resnet8-seed1
study fine.conf $small_data --out fine
study fine/study.conf $small_data --out fine > /dev/null
cmp fine.conf fine/study.conf && echo "the file is kept"
cat fine.conf | study /dev/stdin $small_data --out fine > /dev/null
cmp fine.conf fine/study.conf && echo "what a pipe said, too"
ls fine | grep tmp
cut -d, -f1-7 fine/report.csv
grep -c '<svg' fine/report.html
grep -o '<h2>[^<]*' fine/report.html
sed -n '1p; 5,6p' fine/report.md | sed 's/[0-9]*\.[0-9] \(s\|min\) |/T |/; s/[0-9]* MB/M/'

echo "## the same weights as alone"
prepare resnet train $small_data --net resnet8 --seed 2 --iterations 5 --batch 16 \
    --augment none --test-every 5 --out alone
cmp alone/last.safetensors fine/resnet8-seed2/last.safetensors && echo equal

echo "## records of layers change nothing, and stand in the report"
mkdir recorded
prepare resnet train $small_data --net resnet8 --seed 2 --iterations 5 --batch 16 \
    --augment none --test-every 5 --record layers:2 --out recorded/run
cmp alone/last.safetensors recorded/run/last.safetensors && echo equal
study --report recorded
ls recorded
cut -d, -f1-3 recorded/layers.csv | sed -n '1,3p; 9,11p'
wc -l < recorded/layers.csv
grep -o '<h2>[^<]*' recorded/report.html
grep -o 'iteration [0-9]*<' recorded/report.html

echo "## a run that patience ended is finished"
printf 'net = resnet8\niterations = 60\nbatch = 16\nlr = 1e-9\ntest-every = 1\npatience = 2\n' > patient.conf
study patient.conf $small_data --out patient
study patient.conf $small_data --out patient
cut -d, -f6,7 patient/report.csv

echo "## runs that began with another model are left"
prepare resnet train $small_data --weights alone/last.safetensors --net resnet8 \
    --iterations 2 --batch 16 --augment none --out tuned/run
printf 'net = resnet8\niterations = 2\nbatch = 16\naugment = none\nname = run\n' > tuned.conf
study tuned.conf $small_data --out tuned
echo "weights = fine/resnet8-seed1/last.safetensors" >> tuned.conf
study tuned.conf $small_data --out tuned
sed -i 's|fine/resnet8-seed1|alone|' tuned.conf
study tuned.conf $small_data --out tuned

echo "## a line that the file no longer has makes other runs"
printf 'net = resnet8\niterations = 2\nbatch = 16\nlr = 0.05\nname = run\n' > dropped.conf
study dropped.conf $small_data --out dropped | tail -1
sed -i /lr/d dropped.conf
study dropped.conf $small_data --out dropped

echo "## a run that was stopped goes on; one of other options is left"
rm -r fine/plain8-seed1 fine/resnet8-seed1
prepare resnet train $small_data --net resnet8 --seed 1 --iterations 5 --batch 8 \
    --augment none --out fine/resnet8-seed1
study fine.conf $small_data --out fine --only '*seed1'

echo "## what a network has by itself may be named"
printf 'net = resnet8\nshortcut = A | B\nseed = 1\niterations = 5\nbatch = 16\naugment = none\nname = {shortcut}\n' > letters.conf
prepare resnet train $small_data --net resnet8 --seed 1 --iterations 5 --batch 16 \
    --augment none --out letters/A
study letters.conf $small_data --out letters
grep -o 'resnet8, shortcut . | 1 of 1' letters/report.md
prepare resnet train $small_data --net resnet8 --seed 2 --iterations 5 --batch 16 \
    --augment none --shortcut A --out letters/named
prepare resnet study --report letters
grep -o 'resnet8, shortcut A | 2 of 2' letters/report.md
prepare resnet train $small_data --net resnet8 --seed 1 --iterations 5 --batch 16 \
    --augment none --shortcut A-split --out letters/split
prepare resnet train $small_data --weights letters/split --seed 2 --iterations 5 \
    --batch 16 --augment none --out letters/again
prepare resnet train $small_data --weights letters/split --seed 3 --iterations 5 \
    --batch 16 --augment none --shortcut A-split --out letters/called
prepare resnet study --report letters
grep -o '^| resnet8[^|]*| . of .' letters/report.md | sed 's|/.*/letters|LETTERS|'

echo "## 0 where something else is usual"
printf 'net = resnet8\niterations = 5\nbatch = 16\naugment = none\nloss = smoothed-cross-entropy\nlabel-smoothing = 0 | 0.1\n' > zero.conf
study zero.conf $small_data --out zero > zero.out
grep -o '^| resnet8[^|]*' zero/report.md
cut -d, -f7 zero/report.csv | sort -u | wc -l

echo "## runs of other data are left"
study fine.conf synthetic:1x8x8:4:96 --out fine
resnet study fine.conf synthetic:1x8x8:4:96 --out fine --list 2> list.err | awk 'NR > 1 && NR < 4 {print $1, $2, $3}'
grep -c 'of other data' list.err
study fine.conf nowhere --out fine --only '*seed2'

echo "## a run of another rule, which has no flag"
cp -r alone ruled
mkdir rules
mv ruled rules/run
sed -i 's/"data_rule": [0-9]/"data_rule": 1/; /^    "data_rule",*$/d' rules/run/run.json
printf 'net = resnet8\nseed = 2\niterations = 5\nbatch = 16\naugment = none\ntest-every = 5\nname = run\n' > rules.conf
study rules.conf $small_data --out rules

echo "## runs at a time, JSON"
resnet study fine.conf $small_data --out jobs --jobs 3 --quiet --json | check_json
for run in resnet8-seed1 resnet8-seed2 plain8-seed1; do
    [ -e jobs/$run/last.safetensors ] && echo $run
done

echo "## a picture that the file no longer names goes"
grep -v 'Plain:' fine.conf > fewer.conf
study fewer.conf $small_data --out jobs/
ls jobs | grep figure

echo "## a failed run does not stop the others"
printf 'net = resnet8\niterations = 6\nbatch = 16\nlr = 0.1 | 1000000\n' > fails.conf
study fails.conf $small_data --out fails

printf 'net = resnet8 | resnet14\niterations = 6\nsize = 8\n' > none.conf
mkdir -p one/class
printf 'P5 1 1 255\n.' > one/class/1.pgm
study none.conf one --out none | sed "s|$PWD/||g"

echo "## reports of any folder, with a broken log"
printf 'nothing\n\0\0\0\n{"iteration": 1' >> fails/lr0.1/log.jsonl
mkdir fails/other
echo '{' > fails/other/run.json
study --report fails
study --report fails/
cut -d, -f1 fails/report.csv

echo "## what runs choose themselves is not known before"
small_photos
printf 'net = resnet8 | resnet14\nsize = 8\nwhen = net=resnet8: batch=2 epochs=3\n' > open.conf
resnet study open.conf photos --out open --list |
    sed 's/[0-9.]* m\{0,1\}s  *[0-9.]* [kM]B/T M/; s/about .* one/about T one/; s/  */ /g'

echo "## a run that was stopped goes on where DATA lie now"
printf 'net = resnet8\nsize = 8\nbatch = 2\nepochs = 3\nname = run\n' > moved.conf
study moved.conf photos --out moved
mv photos elsewhere
rm moved/run/last.safetensors
study moved.conf elsewhere --out moved
grep -c '"data": ".*/elsewhere"' moved/run/run.json

echo "## a signal that comes while a report is made stops the other runs"
printf 'net = resnet8\nbatch = 16\niterations = 100000000 | 5\n' > stop.conf
mkdir -p stop/old
sed 's/"iterations": 5/"iterations": 300000/' alone/run.json > stop/old/run.json
awk 'BEGIN {for (i = 1; i < 300000; i++) print "{\"iteration\": " i ", \"train_error\": 50}"}' > stop/old/log.jsonl
: > stop.err
timeout --foreground -k 5 $bound resnet study stop.conf $small_data --out stop --jobs 2 > stop.out 2>> stop.err &
child=$!
await grep -q 'iterations5: finished' stop.err
kill -TERM $child
wait $child
echo "exit $?"
tail -n 1 stop.err

# try TEXT: the file with this text makes no study
try() {
    printf "$1" > bad.conf
    fails resnet study bad.conf $small_data --out bad
}
try 'net = resnet8\nnett = a\n'
try 'net = resnet8\nlr = fast\n'
try 'net = resnet8 | resnet8\n'
try 'net = resnet8 |\n'
try 'net\n'
try 'net = resnet8\nnet = plain8\n'
try 'title = nothing\n'
try 'net = resnet8\nexclude = net=plain8\n'
try 'net = resnet8\nexclude = net=resnet8\n'
try 'net = resnet8 | plain8\nname = run-{seed}\n'
try 'net = resnet8 | plain8\nname = run\n'
try 'net = resnet8\nwhen = net=resnet8 lr=1\n'
try 'net = resnet8\nwhen = net=resnet8: lr=1 lr=2\n'
try 'net = resnet8\nout = x\n'
try 'net = resnet8\ntimeout = 5\n'
try 'net = resnet8\nfigure = all\n'
try 'net = resnet8 | plain8\nfigure = All: resnet8 plain20*\n'
try 'net = resnet8\nname = ../x\n'
try 'recipe = -\nnet = resnet8 | plain8\n'
try 'recipe = /dev/stdin\nnet = resnet8 | plain8\n'
fails resnet study fine.conf --out bad
fails resnet study missing.conf $small_data --out bad
fails resnet study fine.conf $small_data
fails resnet study
fails resnet study fine.conf $small_data --out bad --only nothing
fails resnet study --report nowhere
fails resnet study --report alone --jobs 2
fails resnet study fine.conf $small_data --out bad --jobs 3 --threads 2
mkdir empty
fails resnet study --report empty
