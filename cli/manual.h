/* SPDX-License-Identifier: BSD-2-Clause */
/* The manual page's options. */
#ifndef RN_CLI_MANUAL_H
#define RN_CLI_MANUAL_H

/** Print the options of all commands in roff: for script/man. */
void manual_print(void);

#endif
