# SPDX-License-Identifier: BSD-2-Clause
# On a terminal a line is redrawn, in colour unless NO_COLOR is set.
command -v script > /dev/null || {
    echo "skipped: there is no script(1) to make a terminal"
    exit 77
}
# count PATTERN FILE: are there none, or some?
count() {
    if grep -q "$1" "$2"; then echo some; else echo none; fi
}
command="resnet train synthetic:1x8x8:4:64 --net resnet8 --batch 16"
command="$command --iterations 600 --test-every 300"
escape=$(printf '\033')
unset NO_COLOR
TERM=xterm script -qec "$command --out a" /dev/null > colour
echo "exit $?"
NO_COLOR=1 TERM=xterm script -qec "$command --out b" /dev/null > plain
echo "exit $?"
TERM=dumb script -qec "$command --out c" /dev/null > dumb
echo "exit $?"
for file in colour plain dumb; do
    echo "$file: bar $(count '\[[^]]*#*\.[^]]*\] [0-9,]*/600' $file)," \
        "colour $(count "$escape\\[32m" $file)," \
        "clearing $(count "$escape\\[K" $file)"
done
