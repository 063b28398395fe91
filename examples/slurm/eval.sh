#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Evaluate a model, or several together, on several nodes; figures and files are
# those of one process.
#
#   sbatch eval.sh MODEL... DATA [option of 'resnet eval' ...]
#
#SBATCH --job-name=resnet-eval
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=01:00:00
#SBATCH --output=%x-%j.out
set -u
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"
exec srun --wait=60 --mpi="${RESNET_MPI:-pmix}" "${RESNET:-resnet}" eval "$@"
