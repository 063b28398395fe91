/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads energy counters: a folder each, with its name, its microjoules, and
 * what these begin again after. */
#include "bench/energy.h"

#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "/sys/class/powercap"
/* The zones' folders; others there count the same again ("intel-rapl-mmio:0").
 */
#define ZONE "intel-rapl:"

/* ------------------------------------------------------------------ files */

/* The first line of a zone's file, without its end. */
static bool read_line(const char *folder, const char *file, char *line,
                      int size)
{
    char *path = rn_path_join(folder, file);
    FILE *in = path ? fopen(path, "re") : NULL;
    bool ok = in && fgets(line, size, in);

    if (!path)
        errno = ENOMEM;
    else if (in && !ok && !ferror(in))
        errno = ENODATA;
    if (ok)
        line[strcspn(line, "\n")] = '\0';
    if (in)
        fclose(in);
    rn_free(path);
    return ok;
}

static bool read_count(const char *folder, const char *file, uint64_t *count)
{
    char line[32], *end;

    if (!read_line(folder, file, line, sizeof(line)))
        return false;
    errno = 0;
    *count = strtoull(line, &end, 10);
    if (errno == 0 && (!rn_is_digit(line[0]) || *end))
        errno = EBADMSG;
    return errno == 0;
}

/* --------------------------------------------------------------- counters */

static void drop(struct rn_energy *energy)
{
    while (energy->count > 0)
        rn_free(energy->counter[--energy->count].path);
}

/* Nothing is known from now on. */
static void give_up(struct rn_energy *energy, const char *folder,
                    const char *file, int why)
{
    char text[sizeof(energy->text)];

    rn_format(text, sizeof(text), "cannot read '%.80s/%s': %s", folder, file,
              strerror(why));
    drop(energy);
    memcpy(energy->text, text, sizeof(text));
}

static void take(struct rn_energy *energy, const char *root, const char *zone,
                 const char *wanted)
{
    struct rn_energy_counter *c = &energy->counter[energy->count];
    char name[sizeof(c->name)];
    char *path = rn_path_join(root, zone);

    if (!path || !read_line(path, "name", name, sizeof(name)) ||
        strncmp(name, wanted, strlen(wanted)) != 0 ||
        energy->count == RN_ENERGY_MOST) {
        rn_free(path);
        return;
    }
    *c = (struct rn_energy_counter){.path = path};
    memcpy(c->name, name, sizeof(name));
    energy->count++;
}

static void find(struct rn_energy *energy, const char *root, const char *wanted)
{
    struct dirent **zones = NULL;
    int n = scandir(root, &zones, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        if (strncmp(zones[i]->d_name, ZONE, strlen(ZONE)) == 0)
            take(energy, root, zones[i]->d_name, wanted);
        free(zones[i]);
    }
    free(zones);
}

static void name_all(struct rn_energy *energy)
{
    size_t used = 0;

    for (int i = 0; i < energy->count && used < sizeof(energy->text); i++)
        used +=
            (size_t)rn_format(energy->text + used, sizeof(energy->text) - used,
                              "%s%s", i ? ", " : "", energy->counter[i].name);
}

void rn_energy_open(struct rn_energy *energy, const char *root)
{
    memset(energy, 0, sizeof(*energy));
    if (!root)
        root = ROOT;
    find(energy, root, "package");
    if (energy->count > 0)
        find(energy, root, "dram");
    else
        find(energy, root, "psys");
    if (energy->count == 0)
        rn_format(energy->text, sizeof(energy->text),
                  "no energy counters below '%.90s'", root);
    else
        name_all(energy);
    for (int i = 0; i < energy->count; i++) {
        struct rn_energy_counter *c = &energy->counter[i];

        if (!read_count(c->path, "max_energy_range_uj", &c->range))
            c->range = 0;
    }
    rn_energy_start(energy);
}

void rn_energy_close(struct rn_energy *energy)
{
    drop(energy);
}

void rn_energy_start(struct rn_energy *energy)
{
    rn_energy_add(energy);
    energy->joules = 0;
}

/* Microjoules from one reading to the next. */
static double counted(const struct rn_energy_counter *c, uint64_t now)
{
    if (now >= c->last)
        return (double)(now - c->last);
    return c->range > c->last ? (double)(c->range - c->last + now)
                              : (double)now;
}

void rn_energy_add(struct rn_energy *energy)
{
    for (int i = 0; i < energy->count; i++) {
        struct rn_energy_counter *c = &energy->counter[i];
        uint64_t now;

        if (!read_count(c->path, "energy_uj", &now)) {
            give_up(energy, c->path, "energy_uj", errno);
            return;
        }
        energy->joules += 1e-6 * counted(c, now);
        c->last = now;
    }
}

double rn_energy_joules(struct rn_energy *energy)
{
    char names[64];

    if (energy->count == 0)
        return (double)NAN;
    if (energy->joules > 0)
        return energy->joules;
    snprintf(names, sizeof(names), "%.60s", energy->text);
    snprintf(energy->text, sizeof(energy->text),
             "the energy counters (%s) stood still", names);
    return (double)NAN;
}
