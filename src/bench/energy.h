/* SPDX-License-Identifier: BSD-2-Clause */
/* What processors and memory take, from the counters that Linux shows of
 * Intel's and AMD's (running average power limit). */
#ifndef RN_BENCH_ENERGY_H
#define RN_BENCH_ENERGY_H

#include <stdint.h>

#define RN_ENERGY_MOST 64

struct rn_energy_counter {
    char *path;     /* its folder */
    char name[24];  /* "package-0" */
    uint64_t range; /* microjoules that it begins again after; 0: never */
    uint64_t last;
};

struct rn_energy {
    struct rn_energy_counter counter[RN_ENERGY_MOST];
    int count;      /* 0: nothing can be read, as `text` says */
    double joules;  /* since rn_energy_start() */
    char text[128]; /* the counters read, or why there are none */
};

/** Find the counters below `root` (NULL: the system's): those of processors and
 *  of memory apart from them, or of the whole machine where there are no
 *  others. */
void rn_energy_open(struct rn_energy *energy, const char *root);
void rn_energy_close(struct rn_energy *energy);
/** Begin to add up. */
void rn_energy_start(struct rn_energy *energy);
/** Add what they counted since the last time; to be called before any begins
 *  again twice. */
void rn_energy_add(struct rn_energy *energy);
/** Joules since rn_energy_start(), or NaN: nothing can be read, or the counters
 *  stood still. */
double rn_energy_joules(struct rn_energy *energy);

#endif
