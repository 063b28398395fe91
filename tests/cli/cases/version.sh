# SPDX-License-Identifier: BSD-2-Clause
run resnet --version
