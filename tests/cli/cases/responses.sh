# SPDX-License-Identifier: BSD-2-Clause
# Responses of layers: their table, files and JSON, and what has none.
small_run run
resnet convert run/last.safetensors same.pth > /dev/null 2>&1
mkdir plain
prepare resnet train $small_data --net plain8 --out plain/run --batch 16 \
    --iterations 2 --augment none

# Digits depend on the machine.
digits() {
    sed -E 's/-?[0-9]+\.[0-9]{4}/D/g; s/ +/ /g; s/ [1-7]$/ R/'
}

echo "## a table, a file for a spreadsheet, a picture"
run resnet responses run/last.safetensors plain/run $small_data --images 10 \
    --csv both.csv --svg both.svg | digits
head -1 both.csv
cut -d, -f1-7,11-15 both.csv | sed -n '2p; 9p'
wc -l < both.csv
grep -c '<polyline' both.svg
grep -o 'layer, [a-z ]*' both.svg

echo "## the same model from a file of others gives the same"
resnet responses run/last.safetensors $small_data --csv a.csv > /dev/null
resnet responses same.pth $small_data --csv b.csv > /dev/null 2>&1
cut -d, -f4,9 a.csv > a
cut -d, -f4,9 b.csv > b
cmp a b && echo equal

echo "## batches' own statistics, of all convolutions, JSON"
resnet responses run/last.safetensors $small_data --part train --all \
    --batch-norm batch --json > batch.json
check_json < batch.json
grep -o '"batch": *[0-9]*\|"batch_norm": *"[a-z]*"\|"images": *[0-9]*\|"part": *"[a-z]*"' batch.json

fails resnet responses run/last.safetensors
fails resnet responses run/last.safetensors $small_data --csv out.txt
fails resnet responses run/last.safetensors $small_data --svg nowhere/out.svg
fails resnet responses run/last.safetensors $small_data --part validation
fails resnet responses run/last.safetensors synthetic:3x8x8:4:64
fails resnet responses run/last.safetensors $small_data --images 0
fails resnet responses run/last.safetensors $small_data --batch-norm none
resnet quantize run/last.safetensors $small_data --output int8.safetensors > /dev/null 2>&1
fails resnet responses int8.safetensors $small_data
