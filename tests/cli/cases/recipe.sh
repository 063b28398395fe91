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

# Standard input is a file like others.
echo 'lr = fast' > wrong.conf
fails resnet train synthetic:1x8x8:4 --out run --recipe - < wrong.conf

# Every recipe in the repository is read without complaint.
for recipe in "$RN_SOURCE"/recipes/*.conf; do
    resnet train missing --out run2 --recipe "$recipe" 2>&1 |
        messages
done

# The networks they name are there, with the stride and shortcuts they say.
for recipe in "$RN_SOURCE"/recipes/*.conf; do
    set -- $(sed -n -e 's/^net = //p' \
        -e 's/^\(stride\|shortcut\) = /--\1 /p' "$recipe")
    [ $# = 0 ] || prepare resnet info "$@"
done
