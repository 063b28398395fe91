/* SPDX-License-Identifier: BSD-2-Clause */
/* Energy counters on a made tree of such files: which are added up, counters
 * that begin again, and what is said where nothing can be read. */
#include "bench/energy.h"

#include "core/file.h"
#include "resnet.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

static void write_text(const char *path, const char *text)
{
    struct rn_error err = {0};

    if (rn_file_write(in_folder(path), text, strlen(text), &err))
        fail_msg("%s", err.msg);
}

static void make_zone(const char *root, const char *zone, const char *name,
                      const char *range)
{
    char path[200];

    mkdir(in_folder(root), 0777);
    snprintf(path, sizeof(path), "%s/%s", root, zone);
    assert_int_equal(mkdir(in_folder(path), 0777), 0);
    snprintf(path, sizeof(path), "%s/%s/name", root, zone);
    write_text(path, name);
    snprintf(path, sizeof(path), "%s/%s/max_energy_range_uj", root, zone);
    if (range)
        write_text(path, range);
}

static void count(const char *root, const char *zone, const char *energy)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s/energy_uj", root, zone);
    write_text(path, energy);
}

/* Cores are part of their package, and a second interface counts the same. */
static void packages_and_memory_are_added(void **state)
{
    static const char *const zones[] = {"intel-rapl:0",   "intel-rapl:0:0",
                                        "intel-rapl:0:1", "intel-rapl:1",
                                        "intel-rapl:2",   "intel-rapl-mmio:0"};
    static const char *const names[] = {"package-0\n", "core\n", "dram\n",
                                        "package-1\n", "psys\n", "package-0\n"};
    struct rn_energy energy;

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        make_zone("added", zones[i], names[i], "1000000000\n");
        count("added", zones[i], "500\n");
    }
    rn_energy_open(&energy, in_folder("added"));
    assert_string_equal(energy.text, "package-0, package-1, dram");
    for (size_t i = 0; i < 6; i++)
        count("added", zones[i], "2000500\n");
    rn_energy_add(&energy);
    assert_true(fabs(rn_energy_joules(&energy) - 6) < 1e-9);
    rn_energy_start(&energy);
    count("added", "intel-rapl:0", "2500500\n");
    rn_energy_add(&energy);
    rn_energy_add(&energy);
    assert_true(fabs(rn_energy_joules(&energy) - 0.5) < 1e-9);
    rn_energy_close(&energy);
}

static void counters_begin_again(void **state)
{
    struct rn_energy energy;

    (void)state;
    make_zone("wraps", "intel-rapl:0", "package-0\n", "10000000\n");
    count("wraps", "intel-rapl:0", "9000000\n");
    rn_energy_open(&energy, in_folder("wraps"));
    for (int i = 0; i < 3; i++) {
        count("wraps", "intel-rapl:0", "1000000\n");
        rn_energy_add(&energy);
        count("wraps", "intel-rapl:0", "9000000\n");
        rn_energy_add(&energy);
    }
    assert_true(fabs(rn_energy_joules(&energy) - 3 * (2 + 8)) < 1e-9);
    rn_energy_close(&energy);
}

static void what_is_not_there_is_said(void **state)
{
    struct rn_energy energy;

    (void)state;
    rn_energy_open(&energy, in_folder("nowhere"));
    assert_true(isnan(rn_energy_joules(&energy)));
    assert_non_null(strstr(energy.text, "no energy counters below"));
    rn_energy_close(&energy);

    make_zone("bad", "intel-rapl:0", "package-0\n", NULL);
    rn_energy_open(&energy, in_folder("bad"));
    assert_true(isnan(rn_energy_joules(&energy)));
    assert_non_null(strstr(energy.text, "energy_uj': No such file"));
    rn_energy_close(&energy);

    count("bad", "intel-rapl:0", "many\n");
    rn_energy_open(&energy, in_folder("bad"));
    assert_true(isnan(rn_energy_joules(&energy)));
    assert_non_null(strstr(energy.text, "cannot read"));
    rn_energy_close(&energy);

    count("bad", "intel-rapl:0", "7\n");
    rn_energy_open(&energy, in_folder("bad"));
    rn_energy_add(&energy);
    assert_true(isnan(rn_energy_joules(&energy)));
    assert_string_equal(energy.text,
                        "the energy counters (package-0) stood still");
    rn_energy_close(&energy);
}

/* Where there is only a counter of the whole machine, it is better than none.
 */
static void the_machine_stands_in(void **state)
{
    struct rn_energy energy;

    (void)state;
    make_zone("psys", "intel-rapl:0", "psys\n", "1000\n");
    count("psys", "intel-rapl:0", "7\n");
    rn_energy_open(&energy, in_folder("psys"));
    assert_string_equal(energy.text, "psys");
    rn_energy_close(&energy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packages_and_memory_are_added),
        cmocka_unit_test(counters_begin_again),
        cmocka_unit_test(what_is_not_there_is_said),
        cmocka_unit_test(the_machine_stands_in),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
