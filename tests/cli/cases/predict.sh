# SPDX-License-Identifier: BSD-2-Clause
# Pictures: files, folders, standard input, and what cannot be taken.
small_run run
model=run/last.safetensors
seeds=$RN_SOURCE/tests/fuzz/corpus/image
mkdir photos photos/more empty
cp "$seeds/jpeg" photos/a.jpg
cp "$seeds/png-palette4-alpha" photos/b.PNG
cp "$seeds/webp-alpha" photos/more/c.webp
cp "$seeds/jpeg-orientation-6" photos/more/d.jpeg
echo nothing > photos/notes.txt

run resnet predict $model photos/a.jpg --top 2
run resnet predict $model photos --top 1 --batch 3
resnet predict $model photos --json > together
for file in photos/a.jpg photos/b.PNG photos/more/*; do
    resnet predict $model "$file" --json
done > apart
# Batches of other sizes add up in another order: the last bits differ.
digits() {
    sed 's/\(0\.[0-9]\{3\}\)[0-9]*/\1/g' "$@"
}
digits together > one
digits apart | cmp one - && echo "the same one by one"
resnet predict $model - --json < photos/a.jpg | digits > standard
head -n 1 one | sed 's|photos/a.jpg|-|' | cmp - standard &&
    echo "the same from standard input"
check_json < together
run resnet predict $model photos/a.jpg --min-probability 0.999
resnet predict $model photos/a.jpg --min-probability 0.999 --json
resnet predict $model photos/more/d.jpeg --as-stored --json > stored
tail -n 1 apart | cmp -s stored - || echo "turned and as stored"

# Ten crops, and the picture painted over.
run resnet predict $model photos/a.jpg --crops 10 --resize 10 --top 1
resnet predict $model photos --crops 10 --resize 10 --json | check_json
run resnet predict $model photos/a.jpg --cam cam.png --top 1
resnet predict $model cam.png --json | cut -d, -f 1
fails resnet predict $model photos/a.jpg --crops 10
fails resnet predict $model $small_data:0 --crops 10
fails resnet predict $model photos/a.jpg --crops 3
fails resnet predict $model $small_data:0 --as-stored
fails resnet predict $model photos/a.jpg --cam cam.jpg
fails resnet predict $model photos --cam cam.png
fails resnet predict $model photos/a.jpg photos/b.PNG --cam cam.png
fails resnet predict $model - --cam cam.png
fails resnet predict $model cam.png --cam cam.png
fails resnet predict $model photos/a.jpg --cam nowhere/cam.png

# One bad file does not stop the others.
cp "$seeds/jpeg-truncated" photos/aa.jpg
cp "$seeds/jpeg-2000" photos/z.jp2
: > photos/zero.png
ln -s .. photos/more/up
ln -s nowhere photos/nowhere.jpg
resnet predict $model photos --json --top 1 2> ../messages | cut -d '"' -f 1-6
messages < ../messages >&2
fails resnet predict $model photos
fails resnet predict $model "$seeds/png-bad-checksum" "$seeds/png-huge" \
    "$seeds/text" 2>&1 | sed "s|$seeds/||g" >&2
fails resnet predict $model empty nix.jpg /dev/null
printf 'no picture' > text
fails resnet predict $model - < text
fails resnet predict $model - < /dev/null
cp photos/a.jpg "$(printf 'caf\351.jpg')"
fails sh -c "resnet predict $model *.jpg"
cp photos/a.jpg one:1 # a file comes before what could be DATA:INDEX
run resnet predict $model one:1 --top 1

# A model that was never trained.
prepare python3 - $model bare <<'EOF'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
model = json.loads(header["__metadata__"]["resnet"])
model["preprocessing"] = None
header["__metadata__"]["resnet"] = json.dumps(model)
text = json.dumps(header).encode()
open(sys.argv[2], "wb").write(
    struct.pack("<Q", len(text)) + text + data[8 + size:])
EOF
fails resnet predict bare photos
fails resnet eval bare synthetic:3x8x8:3
