#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The runs of a study side by side: each element of the array takes runs that no
# other has, until none is left. Elements queue up again as train.sh does.
#
#   sbatch --array=0-7 study.sh FILE DATA DIR [option of 'resnet study' ...]
#
# DIR is on a disk that all nodes share, where fcntl() locks work. For runs that
# want several nodes each there is 'srun resnet study' (docs/cluster.md).
#
#SBATCH --job-name=resnet-study
#SBATCH --array=0-3
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%A-%a.out
set -u
if [ $# -lt 3 ]; then
    echo "usage: sbatch study.sh FILE DATA DIR [option ...]" >&2
    exit 2
fi
file=$1
data=$2
dir=$3
shift 3

export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"
srun --ntasks=1 "${RESNET:-resnet}" study "$file" "$data" --out "$dir" "$@"
status=$?

# The element's own number, not the array's.
if [ $status -eq 138 ]; then
    echo "time is over: element ${SLURM_ARRAY_TASK_ID:-0} goes on in its next turn"
    scontrol requeue "$SLURM_JOB_ID" || exit
fi
exit $status
