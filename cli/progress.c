/* SPDX-License-Identifier: BSD-2-Clause */
/* Draws the line of progress, and takes it away before anything else prints. */
#include "progress.h"

#include "output.h"

#include "resnet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* There is one terminal, so there is one of these. */
static struct {
    double drawn_at;
    int visible;
} line;

double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int progress_live(void)
{
    const char *term = getenv("TERM");

    return isatty(STDERR_FILENO) && !output_hushed() && term &&
           strcmp(term, "dumb") != 0;
}

int progress_due(void)
{
    return progress_live() && seconds_now() - line.drawn_at >= 0.1;
}

int colour_wanted(int fd)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return isatty(fd) && !(no_color && *no_color) && term &&
           strcmp(term, "dumb") != 0;
}

static int terminal_width(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

static void draw_bar(int cells, double share)
{
    int full = (int)(share * cells);
    int colour = colour_wanted(STDERR_FILENO);

    fputs(colour ? "[\033[32m" : "[", stderr);
    for (int i = 0; i < cells; i++)
        fputc(i < full ? '#' : '.', stderr);
    fputs(colour ? "\033[0m] " : "] ", stderr);
}

void progress_draw(double share, const char *text)
{
    int width = terminal_width() - 1; /* the last column may wrap */
    int fits, cells = width - 3 - rn_text_width(text);

    if (share < 0)
        share = 0;
    if (share > 1)
        share = 1;
    if (cells > 30)
        cells = 30;
    fputs("\r\033[K", stderr);
    if (cells >= 5) {
        draw_bar(cells, share);
        width -= cells + 3;
    }
    fprintf(stderr, "%.*s", (int)rn_text_fit(text, width, &fits), text);
    fflush(stderr);
    line.drawn_at = seconds_now();
    line.visible = 1;
}

void progress_clear(void)
{
    if (!line.visible)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    line.visible = 0;
}
