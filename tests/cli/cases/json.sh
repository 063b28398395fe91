# SPDX-License-Identifier: BSD-2-Clause
# With --json standard output holds JSON objects, one a line, nothing else.
count() {
    "$@" 2> errors > out
    echo "exit $?"
    check_json < out
}
count resnet train synthetic:1x8x8:4:64 --net resnet8 --out run --batch 16 \
    --iterations 3 --json
model=run/last.safetensors
count resnet eval $model synthetic:1x8x8:4:64 --json
count resnet predict $model synthetic:1x8x8:4:64:0-9 \
    synthetic:1x8x8:4:64:train:3 --json
count resnet predict $model synthetic:1x8x8:4:64:0 nonsense \
    synthetic:1x8x8:4:64:1000000 synthetic:1x9x9:4:64:1 missing:1 \
    synthetic:1x8x8:4:64:1 --json
grep -c '"error":' out
count resnet bench resnet8 --size 8 --batch 2 --seconds 0.1 --json
for field in net mode batch threads images_per_second peak_memory_bytes isa \
    onednn; do
    grep -q "\"$field\":" out || echo "no $field"
done
count resnet bench resnet8 --size 8 --batch 2 --seconds 0.1 --mode train \
    --layers --json
grep -o '"pass":"[^"]*"' out | sort -u
count resnet info $model --json
