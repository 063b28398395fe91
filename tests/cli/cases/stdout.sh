# SPDX-License-Identifier: BSD-2-Clause
# Standard output that cannot be written.
resnet info resnet20 > /dev/full
echo "exit $?"
resnet --help > /dev/full
echo "exit $?"
resnet info resnet1202 --json > /dev/full
echo "exit $?"
small_run run
small_photos
resnet predict run/last.safetensors photos missing.jpg --batch 1 > /dev/full
echo "exit $?"
resnet --help >&-
echo "exit $?"
mkfifo pipe
(exec 3< pipe) & # reads nothing and goes
{ sleep 1; resnet info resnet20; echo "exit $?" >&2; } > pipe
wait
