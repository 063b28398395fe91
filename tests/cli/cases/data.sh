# SPDX-License-Identifier: BSD-2-Clause
# What a data set holds, and what is wrong with it.
seeds=$RN_SOURCE/tests/fuzz/corpus/image
mkdir -p photos/train/ant photos/train/bee photos/val/ant
cp "$seeds/jpeg" photos/train/ant/1.jpg
cp "$seeds/jpeg-grey" photos/train/ant/2.jpg
cp "$seeds/jpeg-orientation-6" photos/train/bee/1.jpg
cp "$seeds/png-palette4-alpha" photos/val/ant/1.png
run resnet data stats photos
run resnet data check photos --threads 2
cp "$seeds/webp" photos/train/bee/2.webp
cp "$seeds/jpeg-cmyk" photos/train/bee/4.jpg
cp "$seeds/jpeg-truncated" photos/train/bee/3.jpg
cp "$seeds/jpeg-2000" photos/train/bee/5.jp2
: > photos/train/ant/3.jpg
cp photos/train/ant/1.jpg photos/val/ant/2.jpg
cp photos/train/ant/1.jpg photos/train/bee/copy.jpg
run resnet data check photos
resnet data check photos --json > json
echo "exit $?"
check_json < json
grep -o '"same_as":"[^"]*","two_parts":[a-z]*,"two_classes":[a-z]*' json
grep -o '"kinds":{[^}]*}' json
resnet data stats photos --json 2> messages | grep -o '"counts".*"std"' |
    sed 's/"mean".*/…/'
cat messages
run resnet data check $small_data

rm photos/train/bee/[35].*  photos/train/ant/3.jpg
run resnet data show photos --output sheet.png --size 20 --columns 3 --count 5
resnet data stats photos --json > /dev/null
mkdir sheet
mv sheet.png sheet
printf 'sheet.png 0\n' > sheet/labels.txt
resnet data stats sheet --json | grep -o '"width".*"median":[0-9]*,"max":[0-9]*}'
run resnet data show $small_data --output small.png --part test
# As augmented: a function of the seed.
run resnet data show photos --augmented --size 20 --output one.png --count 3
prepare resnet data show photos --augment area --seed 1 --size 20 --count 3 \
    --output two.png
prepare resnet data show photos --augmented --seed 2 --size 20 --count 3 \
    --output three.png
cmp one.png two.png && echo "the same"
cmp -s one.png three.png || echo "another seed, other crops"
prepare resnet data show $small_data --erase 1 --mixup 0.2 --output four.png
fails resnet data show photos --augmented --part validation --output no.png
fails resnet data show $small_data --augment area --output no.png
# What the action does nothing with is refused, not passed over.
fails resnet data check photos --part test
fails resnet data check photos --output sheet.png
fails resnet data stats photos --count 3
fails resnet data stats photos --augmented
fails resnet data check photos --erase 1
fails resnet data show photos --output no.png --json
fails resnet data show photos --output no.png --threads 2
fails resnet data show photos --output no.png --seed 2
fails resnet data show photos --output no.jpg
fails resnet data show photos --output no.png --crop-pad 3
fails resnet data
fails resnet data chekc photos
fails resnet data show photos
fails resnet data show photos --output sheet.png --part test
fails resnet data check nowhere
cp "$seeds/jpeg-truncated" photos/train/ant/0.jpg
fails resnet data show photos --output sheet.png
mv photos/val/ant photos/val/wasp
fails resnet data check photos

# How folders were read is said where it could have been otherwise.
mkdir -p around/all/Training/a around/all/Training/b/in around/all/Testing
mkdir -p around/all/docs
cp "$seeds/jpeg" around/all/Training/a/1.jpg
cp "$seeds/png-rgb8" around/all/Training/b/1.png
cp "$seeds/webp" around/all/Training/b/in/1.webp
cp "$seeds/png-grey8" around/all/Testing/1.png
cp "$seeds/png-palette4-alpha" around/all/docs/1.png
resnet data stats synthetic:300x8x8:2:10 | awk '/^(mean|std)/ {print $1, NF}'
resnet data stats synthetic:300x8x8:2:10 --json | python3 -c '
import json, sys
stats = json.load(sys.stdin)
print(len(stats["mean"]), len(stats["std"]), max(stats["std"]) < 1)'
run resnet data check around
resnet data check around --json | grep -o '"notes":\[.*\],"problems'
resnet data stats around 2>&1 > /dev/null | head -1
mkdir one
mv around/all/Training/a one/a
run resnet data check one
fails resnet train one --out new --batch 1
