# SPDX-License-Identifier: BSD-2-Clause
# Weights, and values on the way, that are no finite numbers.
small_run model
own=model/last.safetensors
picture=$RN_SOURCE/tests/fuzz/corpus/image/png-rgb8

# A copy $1 of the model whose tensor $2 begins with $3 values $4.
change() {
    python3 - "$own" "$@" <<'END'
import json, struct, sys
path, out, tensor, count, value = sys.argv[1:]
data = bytearray(open(path, "rb").read())
size = struct.unpack("<Q", data[:8])[0]
at = 8 + size + json.loads(data[8:8 + size])[tensor]["data_offsets"][0]
for i in range(int(count)):
    data[at + 4 * i:at + 4 * i + 4] = struct.pack("<f", float(value))
open(out, "wb").write(data)
END
}
change nan.safetensors fc.weight 2 nan
change large.safetensors layer2.0.bn2.weight 32 3e38

fails resnet predict nan.safetensors "$small_data:3"
fails resnet predict nan.safetensors "$small_data:3" --json
fails resnet eval nan.safetensors $small_data
fails resnet features nan.safetensors "$small_data:3" --output f.npy
fails resnet diff $own nan.safetensors
fails resnet convert nan.safetensors out.onnx
fails resnet train $small_data --weights nan.safetensors --out tuned
# It may be looked at.
resnet info nan.safetensors 2>&1 > /dev/null | messages

run resnet predict large.safetensors $small_data:3-4 2>&1 | messages
resnet predict large.safetensors $small_data:3 --json 2> /dev/null | check_json
fails resnet eval large.safetensors $small_data
fails resnet features large.safetensors $small_data:3 --output f.npy
fails resnet diff large.safetensors large.safetensors
