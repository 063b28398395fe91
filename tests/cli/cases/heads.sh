# SPDX-License-Identifier: BSD-2-Clause
# Classes that are there or not each by itself.
small_run run
model=run/last.safetensors
cp "$RN_SOURCE/tests/fuzz/corpus/image/jpeg" a.jpg

resnet convert $model many.onnx --head sigmoid > /dev/null
resnet info many.onnx | grep '^output'
resnet predict many.onnx a.jpg --threshold 0 |
    sed 's/[0-9.]* %/N %/; s/#*  *\([0-9]\)/\1/' | sort
resnet predict many.onnx a.jpg --threshold 1 | sed 's/[0-9.]* %/N %/; s/, [0-9],/, N,/'
resnet predict many.onnx a.jpg --threshold 0.01 --min-probability 0.9999 |
    sed 's/[0-9.]* %/N %/; s/, [0-9],/, N,/'
resnet predict many.onnx a.jpg --json | python3 -c '
import json, sys
top = json.loads(sys.stdin.read())["top"]
print(len(top), all(t["present"] == (t["probability"] >= 0.5) for t in top),
      all(a["probability"] >= b["probability"] for a, b in zip(top, top[1:])))'
resnet predict many.onnx a.jpg --json --top 2 | grep -o index | wc -l
resnet eval many.onnx $small_data --json | python3 -c '
import json, sys
r = json.loads(sys.stdin.read())
print(r["exact_error"] >= r["top1_error"], 0 <= r["f1"] <= 1,
      0 <= r["mean_average_precision"] <= 1, r["loss"] > 0)'
fails resnet eval many.onnx many.onnx $small_data
resnet eval many.onnx $small_data --head softmax --json | cut -d, -f 1-4 > one
resnet eval $model $small_data --json | cut -d, -f 1-4 > two
cut -d, -f 2- one > one.rest
cut -d, -f 2- two | cmp - one.rest && echo "the same as one of the classes"
fails resnet predict $model a.jpg --threshold 0.5
fails resnet predict $model a.jpg --head relu
fails resnet predict $model a.jpg --output fc
