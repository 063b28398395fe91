/* SPDX-License-Identifier: BSD-2-Clause */
/* SIGINT and SIGTERM: the first asks, the second kills. */
#ifndef RN_CLI_INTERRUPT_H
#define RN_CLI_INTERRUPT_H

/** From now on the first SIGINT or SIGTERM only sets a flag. */
void interrupt_catch(void);

/** The signal that came, or 0. */
int interrupt_signal(void);

#endif
