/* SPDX-License-Identifier: BSD-2-Clause */
/* One line at the bottom of the terminal, redrawn; nothing elsewhere. */
#ifndef RN_CLI_PROGRESS_H
#define RN_CLI_PROGRESS_H

/** Seconds of a clock that never goes back. */
double seconds_now(void);

/** Is standard error a terminal that can redraw a line? */
int progress_live(void);

/** May escape sequences go to this file descriptor? */
int colour_wanted(int fd);

/** Is it time to draw again (ten times a second at most)? */
int progress_due(void);

/** Draw a bar filled by `share` (0..1) and `text`, cut to the terminal. */
void progress_draw(double share, const char *text);

/** Take the line away, so that something else can be printed. */
void progress_clear(void);

#endif
