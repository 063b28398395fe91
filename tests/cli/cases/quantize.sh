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
resnet eval "$model" q.safetensors $small_data | grep precision
resnet eval q.safetensors $small_data --precision fp32 --json |
    grep -o '"precision":"[a-z0-9]*"'
resnet bench q.safetensors --seconds 0.1 --layers | grep -c 'int8'
resnet bench resnet8 --size 8 --seconds 0.1 --precision int8 | grep -o int8
resnet convert q.safetensors q.onnx --verify | sed "s/differ by .*//"
resnet info q.onnx | grep quantised
resnet eval q.onnx $small_data | grep precision
resnet diff "$model" q.safetensors | sed -n '1p;$p' | sed 's/  */ /g'
# Zero is zero, not the default: among some hundred images an answer or two that
# become wrong are too many, for which layers stay float32.
for seed in 1 2 3; do
    prepare resnet train synthetic:1x8x8:4:4000 --net resnet8 --out z$seed \
        --batch 16 --iterations 8 --seed $seed --lr 0.02 --augment none \
        --test-every 8
    resnet quantize z$seed/last.safetensors synthetic:1x8x8:4:4000 --images 32 \
        --max-drop 0 --output z.safetensors 2>&1 |
        sed -nE 's/^top-1 error +([0-9.]+) % before, ([0-9.]+) % after.*/\1 \2/p
                 s/.*more than --max-drop, 0.00.*/0 0/p' |
        awk '{ print $2 <= $1 ? "no more errors" : "errors grow" }'
done
# Pictures without classes, as a folder and as a file.
photos=$RN_SOURCE/tests/golden/made/photos
mkdir pictures
for class in ball box rings; do
    for kind in plain lying progressive; do
        cp "$photos/$class/$kind.jpg" "pictures/$class-$kind.jpg"
    done
done
prepare resnet train "$photos" --net resnet8 --size 16 --out coloured \
    --batch 10 --iterations 2
for data in pictures pictures/box-plain.jpg "$photos --unlabelled" \
    "$photos"; do
    # shellcheck disable=SC2086
    resnet quantize coloured/last.safetensors $data --output p.safetensors \
        --min-agreement 0 --images 20 2> /dev/null |
        sed -nE 's/[0-9.]+ %/N %/g; /^(calibrated|top|agreement)/p'
done
# A list with a mistake is not taken for none, in an archive neither.
for kind in plain lying progressive; do
    echo "box-$kind.jpg box"
    echo "ball-$kind.jpeg ball"
done > pictures/labels.txt
(cd pictures && tar cf ../pictures.tar ./*)
fails resnet quantize coloured/last.safetensors pictures --output p.safetensors
fails resnet quantize coloured/last.safetensors pictures.tar \
    --output p.safetensors
rm pictures/labels.txt
(cd pictures && tar cf ../pictures.tar ./*)
fails resnet quantize coloured/last.safetensors pictures.tar \
    --min-agreement 0 --output p.safetensors
# What others quantised.
for kind in qdq qlinear; do
    cp "$RN_SOURCE/tests/golden/made/net-$kind.onnx" .
    resnet info net-$kind.onnx | grep quantised
    resnet bench net-$kind.onnx --seconds 0.1 --layers | grep -c 'int8'
done
# Refused.
resnet quantize coloured/last.safetensors "$photos" \
    --output coloured/last.safetensors
ln coloured/last.safetensors same.safetensors
resnet quantize coloured/last.safetensors "$photos" --output same.safetensors
resnet quantize coloured/last.safetensors "$photos" --output coloured
resnet quantize coloured "$photos" --output coloured/best.safetensors
resnet quantize coloured "$photos" --output x.pth
prepare resnet quantize "$model" $small_data --output q2.onnx
resnet eval q2.onnx $small_data --json | grep -o '"precision":"[a-z0-9]*"'
mkdir -p five/a five/b five/c five/d five/e
for class in a b c d e; do cp pictures/box-plain.jpg five/$class; done
resnet quantize coloured/last.safetensors five --output x.safetensors
resnet train $small_data --net resnet8 --out r --batch 16 --precision int8 \
    2>&1 | tail -1
resnet train $small_data --weights q.safetensors --out r --batch 16 2>&1 |
    tail -1
resnet quantize "$model" $small_data
resnet quantize q.safetensors $small_data --output x.safetensors
resnet quantize "$model" synthetic:1x8x8:12:64 --output x.safetensors
resnet eval "$model" $small_data --precision int8
resnet convert q.safetensors q.pth
resnet quantize "$model" $small_data --images 32 --max-drop 100 \
    --output no/such/folder/x.safetensors
echo "exit $?"
