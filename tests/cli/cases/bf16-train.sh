# SPDX-License-Identifier: BSD-2-Clause
# Training in bfloat16: refused or emulated where the processor has no
# instructions for it, and the same bytes with them and without, on any number
# of threads, in one go or resumed.
without="env ONEDNN_MAX_CPU_ISA=AVX512_CORE"
learn="resnet train synthetic:3x16x16:4:64 --net resnet14 --batch 16
    --schedule constant --precision bf16"
fails $without $learn --iterations 5 --out refused
prepare $learn --emulate --iterations 10 --out whole
prepare $without $learn --emulate --iterations 10 --out emulated
prepare $without $learn --emulate --iterations 5 --threads 2 --out part
fails resnet train --resume part --precision fp32
fails $without resnet train --resume part --iterations 10
prepare $without resnet train --resume part --iterations 10 --emulate
for other in emulated part; do
    cmp whole/last.safetensors $other/last.safetensors && echo "$other: the same"
done
grep -o '"precision":[^,]*' whole/run.json
grep -ao 'precision[^,]*bf16' whole/last.safetensors
prepare resnet train synthetic:3x16x16:4:64 --net resnet14 --batch 16 \
    --schedule constant --iterations 10 --out float32
cmp -s whole/last.safetensors float32/last.safetensors || echo "float32 differs"
run sh -c "resnet bench resnet8 --mode train --batch 8 --precision bf16 \
    --emulate --layers --seconds 0.1 | grep -o 'direct bf16' | sort -u"
