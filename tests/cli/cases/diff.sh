# SPDX-License-Identifier: BSD-2-Clause
# Where two models part. Numbers depend on the machine; layers and statuses do
# not.
small_run model
own=model/last.safetensors
prepare resnet convert $own a.onnx
run resnet diff $own a.onnx | sed 's/^\(.*x[0-9]*\) .*/\1/'
resnet diff $own a.onnx > /dev/null
echo "exit $?"
resnet diff $own a.onnx $small_data:3 --json | check_json
resnet diff $own a.onnx $small_data:3 | grep -c ' 0 *0$'

# Another way to prepare pictures, and other numbers in the middle.
prepare resnet convert $own half.pth --preprocess half
resnet diff $own half.pth $small_data:3 > out
echo "exit $?"
tail -1 out
resnet diff $own $own $small_data:3 --preprocess half,zero-one > out
echo "exit $?"
tail -1 out
python3 - $own other.safetensors <<'END'
import json, struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
at = 8 + size + header["layer2.0.conv1.weight"]["data_offsets"][0]
data[at:at + 4] = struct.pack("<f", 5)
open(sys.argv[2], "wb").write(data)
END
resnet diff $own other.safetensors > out
echo "exit $?"
tail -1 out
grep -m 1 '\*$' out | sed 's/ .*//'
resnet diff $own other.safetensors --tolerance 1 --json | tail -1 |
    grep -o '"first":[^,]*'

# The same in two precisions, on any processor.
resnet diff $own $own --precision fp32,bf16 --emulate > out
echo "exit $?"
resnet diff $own $own --precision bf16 --emulate --json | tail -1 |
    grep -o '"precision.*'
ONEDNN_MAX_CPU_ISA=AVX2 resnet diff $own $own --precision bf16
resnet diff $own $own --precision fp16

# Without an image nothing is prepared, nor is there a file to be turned.
fails resnet diff $own $own --preprocess half,zero-one
fails resnet diff $own $own --as-stored
fails resnet diff $own $own $small_data:3 --as-stored

# A file that says no more than its tensors, read in two ways.
prepare resnet convert $own whole.safetensors
python3 - whole.safetensors tensors.safetensors <<'END'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
del header["__metadata__"]
text = json.dumps(header).encode()
open(sys.argv[2], "wb").write(
    struct.pack("<Q", len(text)) + text + data[8 + size:])
END
for names in A A,A-split ,A-split; do
    resnet diff tensors.safetensors tensors.safetensors --preprocess half \
        --shortcut $names 2> said | tail -1
    grep -o 'shortcut . taken' said
done
# One of them with a tensor that belongs to no layer.
python3 - tensors.safetensors extra.safetensors <<'END'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
end = len(data) - 8 - size
header["criterion.weight"] = {"dtype": "F32", "shape": [1],
                              "data_offsets": [end, end + 4]}
text = json.dumps(header).encode()
open(sys.argv[2], "wb").write(
    struct.pack("<Q", len(text)) + text + data[8 + size:] + bytes(4))
END
fails resnet diff tensors.safetensors extra.safetensors --preprocess half
run resnet diff tensors.safetensors extra.safetensors --preprocess half \
    --skip-extra 2> said | tail -2
fails resnet diff tensors.safetensors extra.safetensors --map ,none
fails resnet diff tensors.safetensors $own --shortcut A,D
fails resnet diff tensors.safetensors $own --stride v2,v1

prepare resnet train synthetic:1x12x12:4:64 --net resnet8 --out large \
    --batch 16 --iterations 1 --augment none
fails resnet diff $own large/last.safetensors
fails resnet diff $own a.onnx $small_data:0-3
fails resnet diff $own a.onnx -
fails resnet diff $own a.onnx large
fails resnet diff $own a.onnx --preprocess cafe
fails resnet diff $own
fails resnet diff $own missing.onnx
