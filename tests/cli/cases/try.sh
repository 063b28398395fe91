# SPDX-License-Identifier: BSD-2-Clause
# What no tensor tells of a model, found out with labelled images.
data=synthetic:3x16x16:4:512
prepare resnet train $data --net resnet8 --shortcut A-split --out run \
    --batch 32 --iterations 60 --augment none

# Its tensors alone, and the numbers its images were prepared with.
numbers=$(python3 - run/last.safetensors tensors.safetensors <<'END'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
about = json.loads(header.pop("__metadata__")["resnet"])["preprocessing"]
text = json.dumps(header).encode()
open(sys.argv[2], "wb").write(
    struct.pack("<Q", len(text)) + text + data[8 + size:])
print(*("--%s %s" % (key, ",".join(map(str, about[key])))
        for key in ("mean", "std")))
END
)

# shellcheck disable=SC2086
best() {
    resnet eval tensors.safetensors $data --crop 16 "$@" 2> said | sed -n 2p |
        sed 's/^[ 0-9.]*//'
    tail -1 said
}
# shellcheck disable=SC2086
best --try shortcut $numbers
# shellcheck disable=SC2086
resnet eval tensors.safetensors $data --crop 16 --try shortcut,activation \
    $numbers --images 40 --json 2> /dev/null | check_json
resnet eval tensors.safetensors $data --crop 16 --try shortcut,preprocess --json \
    2> /dev/null | check_json
# What is given stays, and is not tried.
resnet eval tensors.safetensors $data --crop 16 --try shortcut,channels \
    --shortcut A --preprocess half --json 2> /dev/null |
    grep -o '"options":"[^"]*"' | sort

# Some of the images without trying anything.
resnet eval run/last.safetensors $data --images 40 | grep images

fails resnet eval tensors.safetensors $data --crop 16 --try shortcut,weights
fails resnet eval tensors.safetensors $data --crop 16 --try ''
fails resnet eval tensors.safetensors $data --crop 16 --try shortcut --shortcut A
fails resnet eval tensors.safetensors $data --crop 16 --try stride --preprocess half
fails resnet eval tensors.safetensors $data --crop 16 \
    --try shortcut,preprocess,channels,activation
fails resnet eval run/last.safetensors run/best.safetensors $data --try stem
fails resnet eval run/last.safetensors $data --try channels --per-class
fails resnet eval run/last.safetensors $data --images 9 --confusion c.csv
