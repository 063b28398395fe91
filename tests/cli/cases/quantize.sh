# SPDX-License-Identifier: BSD-2-Clause
# A model in 8 bits: made, told of, used, and what is refused.
small_run run
model=run/last.safetensors
resnet quantize "$model" $small_data --output q.safetensors \
    --images 32 --max-drop 100 2> /dev/null > out
sed -E 's/ +[-0-9.]+ +[-0-9.]+  (all|percentile|error|fp32).*/ NUMBERS/
        s/[0-9.]+ %/N %/g; s/ +/ /g' out
resnet info q.safetensors | grep -E 'quantised|training|memory' |
    sed -E 's/[0-9.]+ [kM]B/N/'
resnet quantize "$model" $small_data --output q2.safetensors \
    --images 32 --max-drop 100 --json 2> /dev/null |
    grep -oE '"(quantized|images|check_images|kind)":[^,}]*' | sort | uniq -c |
    sed 's/^ *//'
cmp q.safetensors q2.safetensors && echo 'the same file'
resnet eval q.safetensors $small_data | grep precision
resnet eval q.safetensors $small_data --precision fp32 --json |
    grep -o '"precision":"[a-z0-9]*"'
resnet bench q.safetensors --seconds 0.1 --layers | grep -c 'int8'
resnet bench resnet8 --size 8 --seconds 0.1 --precision int8 | grep -o int8
resnet convert q.safetensors q.onnx --verify | sed "s/differ by .*//"
resnet info q.onnx | head -1
# Refused.
resnet quantize "$model" $small_data
resnet quantize q.safetensors $small_data --output x.safetensors
resnet quantize "$model" synthetic:1x8x8:12:64 --output x.safetensors
resnet eval "$model" $small_data --precision int8
resnet convert q.safetensors q.pth
resnet quantize "$model" $small_data --images 32 --max-drop 100 \
    --output no/such/folder/x.safetensors
echo "exit $?"
