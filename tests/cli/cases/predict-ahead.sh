# SPDX-License-Identifier: BSD-2-Clause
# Pictures are loaded ahead of the network: their order, broken ones in their
# places, answers that come as they are ready, and the end by a signal.
small_run run
model=run/last.safetensors
cp "$RN_SOURCE/tests/fuzz/corpus/image/jpeg" a.jpg
cp "$RN_SOURCE/tests/fuzz/corpus/image/jpeg-truncated" bad.jpg
mkfifo later

names() {
    yes a.jpg | head -n "$1"
}
show() {
    sed -e '/%/d' -e 's/"top".*//' answers | uniq -c | sed 's/^ *//'
}
# Whether so many lines are there.
has() {
    [ "$(wc -l < answers)" -ge "$1" ]
}

# A thousand names of one picture with the same answer, and three that fail.
for threads in 1 2 5; do
    # shellcheck disable=SC2046
    resnet predict $model bad.jpg $(names 500) bad.jpg $(names 499) nix.jpg \
        a.jpg --json --threads $threads > answers 2> said
    echo "exit $?"
    cat said
    show
    sort -u answers | grep -c top
done

# The answers to one batch are there while the last picture is still to come.
: > answers
# shellcheck disable=SC2046
bounded resnet predict $model $(names 20) - --top 1 --batch 8 < later > answers &
exec 4> later
await has 32
show
cat a.jpg >&4
exec 4>&-
wait $!
echo "exit $?"
show

# Nothing is left to be done when the user wants no more.
: > answers
# shellcheck disable=SC2046
env --default-signal=INT resnet predict $model $(names 20) - --top 1 --batch 8 \
    < later > answers &
exec 4> later
await has 32
kill -INT $!
exec 4>&-
wait $!
echo "exit $?"
show
