# SPDX-License-Identifier: BSD-2-Clause
# Train, evaluate, predict: what is printed and what is left.
run resnet train synthetic:1x8x8:4:64 --net resnet8 --out run --batch 16 \
    --iterations 8 --augment none --test-every 4
ls run
check_json < run/log.jsonl
run resnet eval run/best.safetensors synthetic:1x8x8:4:64
run resnet eval run/last.safetensors synthetic:1x8x8:4:64 --part train --json
run resnet predict run/last.safetensors synthetic:1x8x8:4:64:0 --top 2
