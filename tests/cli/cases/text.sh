# SPDX-License-Identifier: BSD-2-Clause
# Text of others: names in every script keep a table's columns; lists of files
# and of classes as other programs write them; a host's locale changes nothing.
seeds=$RN_SOURCE/tests/fuzz/corpus/image
dog=$(printf '\347\212\254') composed=$(printf 'caf\303\251')
apart=$(printf 'cafe\314\201')
mkdir -p "photos/train/$dog$dog" "photos/train/$composed" photos/train/ant \
    photos/test
for class in "$dog$dog" "$composed" ant; do
    cp "$seeds/jpeg" "photos/train/$class/1.jpg"
done
cp "$seeds/jpeg-grey" photos/test/1.jpg
# The test pictures have no classes: they are left out, and it is said.
run resnet data stats photos

mkdir table
cp "$seeds/jpeg" "table/a, b.jpg"
cp "$seeds/jpeg-grey" table/2.jpg
printf '\357\273\277width,label,File\r\n4,cat,2.jpg\r\n4,dog,"a, b.jpg"\r\n' \
    > table/labels.csv
run resnet data stats table
printf 'file,class\n2.jpg,cat\n2.jpg,dog\n' > table/labels.csv
fails resnet data stats table
printf 'f\0i\0l\0e\0,\0c\0\n\0' > table/labels.csv
fails resnet data stats table

# Numbers order the names; a model knows the classes that its data has, or the
# same letters in other code points, which it says.
prepare resnet train photos --out run --net resnet8 --size 16 --batch 2 \
    --iterations 1 --augment none
printf '3,%s\n1,ant\n2,%s\n' "$dog$dog" "$apart" > names.csv
prepare resnet convert run/last.safetensors named.safetensors --labels names.csv
LC_ALL=tr_TR.UTF-8 resnet predict named.safetensors table/2.jpg --top 3 --json |
    grep -o '"index":[0-9],"id":[^,]*,"name":"[^"]*"' | sort
fails resnet eval named.safetensors photos --part train
printf '3,ant\n1,bee\n1,cow\n' > names.csv
fails resnet convert run/last.safetensors named.safetensors --labels names.csv
