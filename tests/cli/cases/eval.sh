# SPDX-License-Identifier: BSD-2-Clause
# Evaluation on folders of pictures.
small_run run
seeds=$RN_SOURCE/tests/fuzz/corpus/image
# The model of the small run, its classes being given names.
prepare python3 - run/last.safetensors model <<'EOF'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
model = json.loads(header["__metadata__"]["resnet"])
model["classes"] = ["ant", "bee", "cat", "dog"]
header["__metadata__"]["resnet"] = json.dumps(model)
text = json.dumps(header).encode()
open(sys.argv[2], "wb").write(
    struct.pack("<Q", len(text)) + text + data[8 + size:])
EOF
mkdir -p tree/train/dog tree/train/ant tree/val/dog
cp "$seeds/jpeg" tree/train/dog/1.jpg
cp "$seeds/jpeg-cmyk" tree/train/dog/2.jpg
cp "$seeds/webp" tree/train/ant/1.webp
cp "$seeds/png-rgb8" tree/val/dog/1.png

figures() {
    sed -e 's/\(\(top1_error\|top5_error\|loss\|seconds\)":\)[0-9.e-]*/\1N/g' \
        -e 's/\(calibration_error":\)[0-9.e-]*/\1N/'
}
resnet eval model tree --json | figures
resnet eval model tree --part train --json | figures
resnet eval model tree/train --json --as-stored | figures
resnet eval model tree/train --json --validation 34% | figures
resnet eval model tree/train --json --validation 2 --part train | figures

# More than the centre, several models, and what is told of each image.
resnet eval model tree/train --json --crops 10 --resize 10 | figures
resnet eval model tree/train --json --scales 9,12 | figures
cp model twin
resnet eval model twin tree/train --json --scales 9 | figures
# Which of four classes without names the two of the data are is not known.
fails resnet eval model run/last.safetensors tree/train
resnet eval model tree/train --json --per-class --confusion c.csv \
    --predictions p.csv --mistakes m.html |
    grep -o '"index":3,"id":null,"name":"dog","images":2'
cut -d, -f 1-3 p.csv
awk -F, 'NR > 1 { for (i = 2; i <= NF; i++) n += $i } END { print n, "images" }' \
    c.csv
grep -o '<h1>.*</h1>' m.html | sed 's/[0-3] of/N of/'
resnet eval model model tree/train --per-class > text
sed -e '/^\(top\|cal\)/s/  *[0-9.]* %/  N %/; s/^\(loss *\).*/\1N/' -e '/^class/q' text
grep -c '^ *[0-3]  \(ant\|bee\|cat\|dog\) ' text > rows
test "$(cat rows)" -ge 2 || echo "only $(cat rows) classes"
resnet eval model tree/train --per-class --json > json
for name in macro precision recall f1 balanced_accuracy roc_auc \
    average_precision top5_error; do
    grep -q "\"$name\":" json || echo "no $name"
done
check_json < json
resnet eval model tree/train --probabilities p.csv > out
awk -F, 'NR > 1 { sum = 0; for (i = 2; i <= NF; i++) sum += $i
    if (sum < 0.9999 || sum > 1.0001) print "not one:", $0 }
    END { print NR - 1, "rows of", NF - 1 }' p.csv
resnet eval model tree/train --probabilities p.npy > out
wc -l < p.npy.names.txt
fails resnet eval model tree/train --probabilities p.txt
fails resnet eval model tree/train --confusion c.png
fails resnet eval model tree/train --predictions p.npy
fails resnet eval model tree/train --mistakes m.csv
fails resnet eval model tree/train --seed 5
fails resnet eval model tree/train --scales 9 --batch 2
fails resnet eval run/last.safetensors $small_data --as-stored
fails resnet eval run/last.safetensors $small_data --validation 5
fails resnet eval model tree/train --crops 5
fails resnet eval model tree/train --crops 10
fails resnet eval model tree/train --crops 10 --scales 9
fails resnet eval model tree/train --scales 9,
fails resnet eval model tree/train --scales 9,5000
fails resnet eval run/last.safetensors $small_data --scales 9
fails resnet eval model tree/train --predictions nowhere/p.csv
printf '1.jpg dog\n2.jpg 3\n' > tree/train/dog/labels.txt
printf 'dog\n3\n' > tree/train/dog/classes.txt
fails resnet eval model tree/train/dog
rm tree/train/dog/*.txt

# Images in memory whose classes are in another order than the model's: label
# and error are those of the names.
mkdir idx
for part in train t10k; do
    { printf '\0\0\10\3\0\0\0\4\0\0\0\10\0\0\0\10'
      head -c 256 /dev/zero; } > idx/$part-images-idx3-ubyte
    printf '\0\0\10\1\0\0\0\4\0\0\1\3' > idx/$part-labels-idx1-ubyte
done
printf 'dog\nant\ncat\nbee\n' > idx/classes.txt
labels() {
    resnet predict model idx:0-3 --top 1 "$@" | grep -o 'labelled.*'
}
labels
resnet predict model idx:3 --json | grep -o '"label":.*,"p'
resnet eval model idx --predictions p.csv > out
cut -d, -f 1,2 p.csv
printf 'dog\nant\ncat\nwasp\n' > idx/classes.txt
labels
resnet predict model idx:3 --json | grep -o '"label":.*,"p'
fails resnet eval model idx
printf 'Ant\nbee\ncat\nDog\n' > idx/classes.txt
labels
fails resnet eval model idx

fails resnet eval model tree --part test
fails resnet eval model tree/train --validation 100%
fails resnet eval model tree/train --validation 3
fails resnet eval model tree/train --validation some
fails resnet train tree --out new
fails resnet predict model tree:0
mv tree/val/dog tree/val/wolf
fails resnet eval model tree
fails resnet eval model tree/val
mkdir tree/val/bee
fails resnet eval model tree/val
rm -r tree/val/wolf
head -c 200 "$seeds/jpeg" > tree/val/bee/cut.jpg
cp "$seeds/jpeg" tree/val/bee/whole.jpg
fails resnet eval model tree/val
cp "$seeds/jpeg" tree/val/loose.jpg
fails resnet eval model tree/val
fails resnet eval run/last.safetensors $small_data --confusion same.csv \
    --probabilities same.csv
