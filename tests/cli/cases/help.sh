# SPDX-License-Identifier: BSD-2-Clause
run resnet --help
for command in info train eval predict features bench convert diff quantize data study responses serve; do
    run resnet $command --help
done
