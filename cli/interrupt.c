/* SPDX-License-Identifier: BSD-2-Clause */
/* Signal handlers that only set a flag. */
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

/* The first signal, from its handler. */
static volatile sig_atomic_t caught;

/* The first of several is the reason. */
static void note(int number)
{
    if (caught == 0)
        caught = number;
}

/* Which signals ask to stop, and how they are sent. */
static const struct {
    int number;
    int insists;      /* a second one kills */
    int even_ignored; /* a shell's & leaves it so, and who sends it means it;
                         nohup, on the other hand, means what it leaves so */
} signals[] = {
    {SIGINT, 1, 1},
    {SIGTERM, 1, 1},
    /* from kernel and shell both, when a terminal is closed */
    {SIGHUP, 0, 0},
    /* batch systems', some time before they kill */
    {SIGUSR1, 0, 0},
    {SIGUSR2, 0, 0},
    /* every second from the soft limit on */
    {SIGXCPU, 0, 0},
};

static int is_ignored(int number)
{
    struct sigaction now;

    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

void interrupt_catch(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = note;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        if (!signals[i].even_ignored && is_ignored(signals[i].number))
            continue;
        action.sa_flags = SA_RESTART;
        /* back to the default after the first */
        if (signals[i].insists)
            action.sa_flags |= (int)SA_RESETHAND;
        sigaction(signals[i].number, &action, NULL);
    }
}

int interrupt_signal(void)
{
    return caught;
}
