/* SPDX-License-Identifier: BSD-2-Clause */
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

static volatile sig_atomic_t caught;

static void note(int number)
{
    caught = number;
}

void interrupt_catch(void)
{
    static const int signals[] = {SIGINT, SIGTERM};
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = note;
    /* back to the default after the first: a second one kills */
    action.sa_flags = SA_RESTART | (int)SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    /* also where a shell's & left SIGINT ignored: who sends it means it */
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        sigaction(signals[i], &action, NULL);
}

int interrupt_signal(void)
{
    return caught;
}
