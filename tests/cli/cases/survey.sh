# SPDX-License-Identifier: BSD-2-Clause
# Several networks measured, reported on, and what goes wrong on the way.
small_run run
survey() {
    resnet bench "$@" --survey out --seconds 0 --size 8 --classes 4 \
        --channels 1 2>&1 |
        sed 's/[0-9.]* ms an image, [0-9.]* [kM]B/T ms an image, M/'
}
zone=powercap/intel-rapl:0
mkdir -p $zone
echo package-0 > $zone/name
echo 5 > $zone/energy_uj

echo "## given accuracies, counters that stand still"
survey resnet8=90.5 'plain8=88' --batches 1,4 --powercap powercap |
    sed 's/^\(resnet8\|plain8\)  *\([0-9.]*\)  *\([0-9,]*\)  *\([0-9,]*\) .*/\1 \2 \3 \4/; s/  */ /g'
ls out
cut -d, -f1-6 out/survey.csv
grep -o '<h2>[^<]*\|Not known[^<]*' out/survey.html
grep -c '<svg' out/survey.html

echo "## a file is measured on data; what fails is said, and the rest goes on"
resnet bench run/last.safetensors nothing.pth resnet9=60 resnet8 --data $small_data \
    --survey out --seconds 0 --batches 1 --powercap powercap 2>&1 > table |
    sed 's/[0-9.]* ms an image, [0-9.]* [kM]B/T ms an image, M/; s/accuracy [0-9.]* %/accuracy A/'
cut -d, -f1,2 out/survey.csv | sed 's/\(safetensors,\).*/\1A/'
grep -o 'no network[^<]*\|unknown network[^<]*' out/survey.html
grep -c 'resnet9' out/accuracy.svg
resnet bench resnet8 --size 8 --survey out --seconds 0 --batches 1 --json \
    2> /dev/null | check_json

echo "## each network has its own precision"
prepare resnet quantize run/last.safetensors $small_data --images 32 \
    --max-drop 100 --output q.safetensors
resnet bench q.safetensors run/last.safetensors --survey out --seconds 0 \
    --batches 1 --json 2> /dev/null | grep -o '"precision":"[a-z0-9]*"'
grep -o 'images in fp32[a-z0-9, ]*in int8' out/survey.html

echo "## one network alone tells of energy, too"
resnet bench resnet8 --size 8 --batch 1 --seconds 0 --powercap nowhere |
    grep '^energy'

fails resnet bench --survey out
fails resnet bench resnet8 plain8
fails resnet bench resnet8 --batches 1,2
for batches in 0 4,2 1,x 1, '' 65537; do
    fails resnet bench resnet8 --survey out --batches "$batches"
done
fails resnet bench resnet8=101 --survey out
fails resnet bench resnet8=good --survey out
fails resnet bench resnet8 --survey out --layers
fails resnet bench resnet8 --survey out --batch 4
fails resnet bench resnet8 --survey missing/out
fails resnet bench resnet8 --survey run/run.json
fails resnet bench run/last.safetensors --survey out --data nowhere
fails resnet bench resnet8 run/last.safetensors=90 --survey out --data $small_data
grep -o 'id="[a-z0-9]*"' out/survey.html | sort | uniq -d
