#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Train on several nodes for as long as it takes: two minutes before the job's
# time is over the run saves, and the job queues up again to go on with it.
#
#   sbatch --nodes 4 train.sh DATA RUN [option of 'resnet train' ...]
#
# RESNET is the program, RESNET_MPI what its MPI wants as srun's --mpi: pmix for
# Open MPI, pmi2 for MPICH.
#
#SBATCH --job-name=resnet
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.out
set -u
if [ $# -lt 2 ]; then
    echo "usage: sbatch train.sh DATA RUN [option ...]" >&2
    exit 2
fi
data=$1
run=$2
shift 2

# Whether the job begins, was queued again or had its node fail: the run tells.
# It knows its options, but for those of the machines that a turn finds.
if [ -e "$run/run.json" ]; then
    left=$#
    while [ $left -gt 0 ]; do
        option=$1
        shift
        left=$((left - 1))
        case $option in
        --allow-mixed | --emulate | --json | --quiet | --threads=* | --timeout=*)
            set -- "$@" "$option"
            ;;
        --threads | --timeout)
            [ $left -gt 0 ] || continue
            set -- "$@" "$option" "$1"
            shift
            left=$((left - 1))
            ;;
        esac
    done
    set -- --resume "$run" --data "$data" "$@"
else
    set -- "$data" --out "$run" "$@"
fi
# srun does not take these over by itself.
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"
srun --wait=60 --mpi="${RESNET_MPI:-pmix}" "${RESNET:-resnet}" train "$@"
status=$?

# 128 + SIGUSR1: saved, for the time is nearly over.
if [ $status -eq 138 ]; then
    echo "time is over: $run goes on in the next turn of job $SLURM_JOB_ID"
    scontrol requeue "$SLURM_JOB_ID" || exit
fi
exit $status
