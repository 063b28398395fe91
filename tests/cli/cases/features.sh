# SPDX-License-Identifier: BSD-2-Clause
# Embeddings of pictures as NumPy's file and as CSV.
small_run run
model=run/last.safetensors
seeds=$RN_SOURCE/tests/fuzz/corpus/image
mkdir photos
cp "$seeds/jpeg" photos/a.jpg
cp "$seeds/webp-alpha" 'photos/b, c.webp'
cp "$seeds/png-rgb8" photos/d.png

# The head of a .npy file, and whether its numbers are those of a .csv.
cat > check.py << 'END'
import ast, csv, struct, sys
data = open(sys.argv[1], "rb").read()
assert data[:8] == b"\x93NUMPY\x01\x00"
size = struct.unpack("<H", data[8:10])[0]
head = data[10:10 + size].decode()
assert (10 + size) % 64 == 0 and head.endswith("\n"), size
print(head.rstrip())
count = 1
for n in ast.literal_eval(head)["shape"]:
    count *= n
values = struct.unpack("<%df" % count, data[10 + size:])
rows = list(csv.reader(open(sys.argv[2])))[1:]
print([row[0] for row in rows])
other = [float(x) for row in rows for x in row[1:]]
assert len(other) == count, (len(other), count)
print("largest difference below 1e-6:",
      max(abs(a - b) for a, b in zip(values, other)) < 1e-6)
END
run resnet features $model photos --output pool.npy
cat pool.npy.names.txt
resnet features $model photos --output pool.csv --json
python3 check.py pool.npy pool.csv
run resnet features $model photos --output last.npy --stage conv4 --batch 2
run resnet features $model photos --output last.csv --stage layer3.0.relu2
python3 check.py last.npy last.csv
run resnet features $model $small_data:0-1 --output data.npy --stage conv1
cat data.npy.names.txt

cp "$seeds/jpeg-truncated" photos/aa.jpg
fails resnet features $model photos --output some.csv
cut -d, -f 1 some.csv
fails resnet features $model photos
fails resnet features $model photos --output some.txt
fails resnet features $model $small_data:0 --output some.npy --as-stored
fails resnet features $model photos --output some.npy --stage conv5
fails resnet features $model photos --output nowhere/some.npy
ls | grep some

# Called to stop it leaves nothing, and no name is cut.
mkfifo pipe
resnet features $model photos/d.png - --output stop.csv < pipe > out 2> err &
exec 3> pipe
await sh -c 'ls stop.csv.tmp-* > ls 2>&1'
kill -TERM $!
cat "$seeds/jpeg" >&3
exec 3>&-
wait $!
echo "exit $?"
cat err
ls | grep stop
folder=$(printf '%0240d' 1)
folder=$folder/$folder/$folder
mkdir -p "$folder/data"
for part in train t10k; do
    { printf '\0\0\10\3\0\0\0\4\0\0\0\10\0\0\0\10'
      head -c 256 /dev/zero; } > "$folder/data/$part-images-idx3-ubyte"
    printf '\0\0\10\1\0\0\0\4\0\1\2\3' \
        > "$folder/data/$part-labels-idx1-ubyte"
done
run resnet features $model "$folder/data:0-1" --output long.npy | tail -n 2
sed 's/.*data/data/' long.npy.names.txt
