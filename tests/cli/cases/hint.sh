# SPDX-License-Identifier: BSD-2-Clause
# FitNet's two stages: a network's layers learn a hint of a teacher, then all of
# them its answers. What the first stage leaves is a model like others.
prepare resnet train synthetic:1x8x8:4:64 --net resnet8 --out big --batch 16 \
    --iterations 8
learn="resnet train synthetic:1x8x8:4:64 --batch 16 --iterations 4
    --teacher big/last.safetensors"
hint=layer2.0.relu2:layer3.0.relu2
$learn --net plain8 --out one --hint $hint --report-every 1 2>&1 |
    sed -n -e '/^hint:\|^plain8:/p' \
        -e 's/^\(4\/4  epoch [0-9.]*\)  loss [0-9.]*  lr.*/\1/p'
grep -c '"train_error": *null' one/log.jsonl
check_json < one/log.jsonl
resnet train --resume one --iterations 4 --json 2> /dev/null | check_json
prepare resnet convert one/last.safetensors one.pth
grep -c hint_regressor one/last.safetensors one/best.safetensors one.pth
prepare $learn --weights one/last.safetensors --out two --distill-weight 0.4
# The last word alone: a teacher's checksum is its processor's.
for wrong in "--hint layer2.0.relu3:layer3.0.relu2" "--hint fc:layer3.0.relu2" \
    "--hint layer3.0.relu2:layer2.0.relu2" "--hint $hint --distill-weight 2" \
    "--hint $hint --loss squared-hinge" "--hint $hint --aux-heads on" \
    "--normalize gcn"; do
    # shellcheck disable=SC2086
    $learn --net plain8 --out three $wrong 2>&1 | tail -n 1
done
# Layers of an auxiliary head, which is no part of what learns.
$learn --net dsn --out three --hint ip_svm1:layer3.0.relu2 2>&1 | tail -n 1
fails resnet train synthetic:1x8x8:4:64 --net plain8 --out three --hint $hint
