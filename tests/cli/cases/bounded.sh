# SPDX-License-Identifier: BSD-2-Clause
# What hangs in a case is ended, with the processes that it has started, and named.
none() {
    [ -z "$(own)" ]
}
cat > hangs <<'END'
trap "" TERM
resnet train synthetic:1x8x8:4:64 --net resnet8 --batch 16 --iterations 1000000 \
    --out endless > said 2>&1 &
wait
END
bound=2
bounded sh hangs
echo "exit $?"
await none
echo "left:" $(own)
bounded sh -c 'exit 3'
echo "exit $?"
bounded sleep 5
echo "exit $?"
await [ -e never ]
echo "exit $?"
# for which run.sh has a case fail
cat ../hung
rm ../hung
