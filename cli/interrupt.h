/* SPDX-License-Identifier: BSD-2-Clause */
/* Signals that ask to stop. */
#ifndef RN_CLI_INTERRUPT_H
#define RN_CLI_INTERRUPT_H

/** From now on SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and SIGXCPU only set a
 *  flag; a second SIGINT or SIGTERM kills. Of the others those that are ignored
 *  stay so. */
void interrupt_catch(void);

/** The signal that came first, or 0. */
int interrupt_signal(void);

#endif
