/* SPDX-License-Identifier: BSD-2-Clause */
/* Joins the ranks that a launcher started: tells by the environment whether one
 * did, and loads the plugin of its MPI. */
#include "comm/ranks.h"
#include "core/count.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How launchers tell a process its place. Slurm's PMIx does not say for which
 * MPI, nor how many ranks there are but by SLURM_NTASKS of the step. */
static const struct launcher {
    const char *rank, *size, *local; /* variables; the last on its host */
    const char *plugin;
    const char *mpi;
} launchers[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
     "OMPI_COMM_WORLD_LOCAL_RANK", "libresnet-ompi.so", "Open MPI"},
    {"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "libresnet-mpich.so", "MPICH"},
    {"PMIX_RANK", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "libresnet-ompi.so",
     "Open MPI"},
};

/* A number from the environment; -1: there is none. */
static int number_of(const char *variable)
{
    const char *text = getenv(variable);
    char *end;
    long value;

    if (!text || !*text)
        return -1;
    value = strtol(text, &end, 10);
    return *end || value < 0 || value > INT_MAX ? -1 : (int)value;
}

/* The launcher of several ranks that started this process, or NULL. */
static const struct launcher *find_launcher(void)
{
    for (size_t i = 0; i < COUNT(launchers); i++)
        if (number_of(launchers[i].rank) >= 0 &&
            number_of(launchers[i].size) > 1)
            return &launchers[i];
    return NULL;
}

int rn_ranks_launched(int *rank, int *local)
{
    const struct launcher *l = find_launcher();
    int own = l ? number_of(l->rank) : 0, beside = l ? number_of(l->local) : 0;

    /* Slurm's PMI has none of MPICH's own. */
    if (beside < 0)
        beside = number_of("SLURM_LOCALID");
    if (rank)
        *rank = own;
    if (local)
        *local = beside >= 0 ? beside : own;
    return l ? number_of(l->size) : 1;
}

/* A plugin in the folder of a file, the path up to its last slash. */
static void *load_beside(const char *file, const char *plugin)
{
    const char *slash = strrchr(file, '/');
    char path[PATH_MAX];
    int n = slash ? snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - file),
                             file, plugin)
                  : -1;

    /* An MPI looks for its own parts among what is loaded. */
    return n > 0 && (size_t)n < sizeof(path)
               ? dlopen(path, RTLD_NOW | RTLD_GLOBAL)
               : NULL;
}

/* Beside the library or the program, as they are built; where libraries are
 * installed; or where the system looks for them. */
static void *load(const char *plugin)
{
    char program[PATH_MAX] = "";
    Dl_info here = {.dli_fname = NULL};
    void *library = NULL;

    if (dladdr(launchers, &here) && here.dli_fname)
        library = load_beside(here.dli_fname, plugin);
    if (!library &&
        readlink("/proc/self/exe", program, sizeof(program) - 1) > 0)
        library = load_beside(program, plugin);
    if (!library)
        library = load_beside(RN_PLUGINS "/", plugin);
    return library ? library : dlopen(plugin, RTLD_NOW | RTLD_GLOBAL);
}

static int find_transport(const struct rn_transport **out,
                          const struct launcher *l, struct rn_error *err)
{
    void *library = load(l->plugin);
    rn_transport_function *get;
    void *symbol = library ? dlsym(library, RN_TRANSPORT_SYMBOL) : NULL;

    if (!symbol)
        return rn_fail(err, RN_ERR_RANK,
                       "%s started %d ranks, but its plugin cannot be loaded: "
                       "%.300s ('script/build --mpi' makes it)",
                       l->mpi, number_of(l->size), dlerror());
    memcpy(&get, &symbol, sizeof(get));
    *out = get();
    if ((*out)->version == RN_TRANSPORT_VERSION)
        return RN_OK;
    return rn_fail(err, RN_ERR_RANK,
                   "'%s' is of another version of resnet: plugin interface %d, "
                   "expected %d",
                   l->plugin, (*out)->version, RN_TRANSPORT_VERSION);
}

int rn_ranks_join(struct rn_ranks **out, double timeout, struct rn_error *err)
{
    const struct launcher *l = find_launcher();
    const struct rn_transport *transport = NULL;
    int rank, size, rc;
    void *self;

    *out = NULL;
    if (!(timeout >= 0 && timeout <= RN_TIMEOUT_MOST))
        return rn_fail(err, RN_ERR_ARG,
                       "`timeout` is %g, but must be 0 to %d seconds", timeout,
                       RN_TIMEOUT_MOST);
    if (!l)
        return RN_OK;
    rc = find_transport(&transport, l, err);
    if (rc != RN_OK)
        return rc;
    if (transport->join(&self, &rank, &size))
        return rn_fail(err, RN_ERR_RANK, "%s cannot be started",
                       transport->name);
    if (size != number_of(l->size)) {
        transport->leave(self, 1);
        return rn_fail(err, RN_ERR_RANK,
                       "%s started %d ranks, but %s knows %d: the plugin is of "
                       "another MPI than the launcher",
                       l->mpi, number_of(l->size), transport->name, size);
    }
    return rn_ranks_create(out, transport, self, rank, size,
                           timeout > 0 ? timeout : RN_TIMEOUT, err);
}
