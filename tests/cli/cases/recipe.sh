# SPDX-License-Identifier: BSD-2-Clause
# Recipes: mistakes are named with file and line; the command line wins.
mistake() {
    printf "$1" > wrong.conf
    fails resnet train synthetic:1x8x8:4 --out run --recipe wrong.conf
}
mistake '# fine\n\nlr = fast\n'
mistake 'lr 0.1\n'
mistake 'momentun = 0.9\n'
mistake 'resume = run\n'
mistake 'iterations = 5\nepochs = 1\n'
mistake 'lr = 0.1\nnet = resnet8\nlr = 0.2\n'
mistake 'net =\n'
mistake 'exact = perhaps\n'
mistake 'recompute = all\n'
mistake 'net = resnet8\n\0'
fails resnet train synthetic:1x8x8:4 --out run --recipe missing.conf

cat > small.conf << 'END'
  # a comment
net = resnet8   # and another
batch=16
epochs = 3
augment = none
exact = yes
recompute = blocks
END
prepare resnet train synthetic:1x8x8:4:64 --out run --recipe small.conf \
    --iterations 2 --batch 8
grep -o '"net": *"[^"]*"' run/run.json | sort -u | tr -d ' '
grep -o '"\(batch\|iterations\|epochs\|exact\|recompute\)": *[0-9.]*' run/run.json |
    tr -d ' '

# As Windows' editor saves it: a byte order mark, CRLF; UTF-16 is named.
printf '\357\273\277net = resnet8\r\nlr = fast\r\n' > wrong.conf
fails resnet train synthetic:1x8x8:4 --out run --recipe wrong.conf
printf '\377\376n\0e\0t\0' > wrong.conf
fails resnet train synthetic:1x8x8:4 --out run --recipe wrong.conf

# Standard input is a file like others.
echo 'lr = fast' > wrong.conf
fails resnet train synthetic:1x8x8:4 --out run --recipe - < wrong.conf

# Those that come with the program are found by name, from everywhere: where it
# is built, where it is installed, wherever that is moved to. A file comes
# first, a folder is none.
cd .. && mkdir elsewhere && cd elsewhere || exit 1
fails resnet train missing --out run --recipe cifar10-resnet20
fails resnet train missing --out run --recipe cifar10-resnet20.conf
fails resnet train missing --out run --recipe cifar11
fails resnet train missing --out run --recipe ./cifar10-resnet20
mkdir finetune
fails resnet train missing --out run --recipe finetune
echo 'lr = fast' > fashion-mnist
fails resnet train missing --out run --recipe fashion-mnist
mkdir -p moved/bin moved/share/resnet/recipes
cp "$RN_BUILD/resnet" moved/bin
cp "$RN_SOURCE/recipes/finetune.conf" moved/share/resnet/recipes/own.conf
fails moved/bin/resnet train missing --out run --recipe own
fails moved/bin/resnet train missing --out run --recipe other
cd ../dir || exit 1
fails resnet train missing --out new --recipe table6/nin
fails resnet train missing --out new --recipe table6/none
(cd "$RN_SOURCE/recipes" && ls *.conf table6/*.conf) > ours
(cd "$RN_BUILD/recipes" && ls *.conf table6/*.conf) | diff ours - &&
    echo "all there"

# Nothing but the result, or what went wrong.
resnet train synthetic:1x8x8:4:64 --out quiet --recipe small.conf --quiet \
    > out 2> err
cat err
resnet train --resume quiet --quiet --json > out 2> err
cat err
check_json < out
fails resnet train missing --out new --recipe small.conf --quiet

# Every recipe in the repository is read without complaint; those that learn
# from a teacher beside one.
for recipe in "$RN_SOURCE"/recipes/*.conf "$RN_SOURCE"/recipes/table6/*.conf; do
    set --
    grep -q '^\(distill\|hint\)' "$recipe" && set -- --teacher missing
    resnet train missing --out run2 --recipe "$recipe" "$@" 2>&1 |
        messages
done

# The networks they name are there, with the stride and shortcuts they say.
for recipe in "$RN_SOURCE"/recipes/*.conf "$RN_SOURCE"/recipes/table6/*.conf; do
    set -- $(sed -n -e 's/^net = //p' \
        -e 's/^\(stride\|shortcut\) = /--\1 /p' "$recipe")
    [ $# = 0 ] || prepare resnet info "$@"
done

# The paper's studies are read, and their runs' options taken.
for study in "$RN_SOURCE"/recipes/paper/*.conf; do
    resnet study "$study" missing --out run2 --only nothing 2>&1 | messages |
        sed 's|[^ ]*/recipes/||'
    resnet study "$study" missing --out run2 --list 2>&1 | messages
done
