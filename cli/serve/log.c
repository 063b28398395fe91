/* SPDX-License-Identifier: BSD-2-Clause */
/* A line on standard error for each request. */
#include "serve.h"

#include "../output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void stamp(char text[32])
{
    time_t now = time(NULL);
    struct tm utc;

    gmtime_r(&now, &utc);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* Whatever a client sends, it stays one line, and tells terminals nothing. */
static void copy_clean(char *out, size_t room, const char *text)
{
    size_t n = 0;

    for (; *text && n + 1 < room; text++)
        out[n++] = *text > ' ' && *text < 127 ? *text : '?';
    out[n] = '\0';
}

static void log_line(const struct request *r, const char *peer, double seconds,
                     const char *when)
{
    char target[256], method[sizeof(r->method)];

    copy_clean(target, sizeof(target), r->target);
    copy_clean(method, sizeof(method), r->method);
    fprintf(stderr, "%s %s %s %s %u %zu bytes, %.1f ms\n", when, peer,
            method[0] ? method : "-", target, r->answer.status, r->size,
            1000 * seconds);
}

static void log_json(const struct request *r, const char *peer, double seconds,
                     const char *when)
{
    json_t *object = json_new();
    size_t size;
    char *line;

    json_put(object, "time", json_text(when));
    json_put(object, "client", json_text(peer));
    json_put(object, "method", json_text(r->method));
    json_put(object, "target", json_text(r->target));
    json_put(object, "status", json_count(r->answer.status));
    json_put(object, "bytes", json_count(r->size));
    json_put(object, "seconds", json_double(seconds));
    line = json_print(object, &size);
    if (line)
        fputs(line, stderr);
    free(line);
}

void log_request(const struct request *r, const char *peer, double seconds)
{
    char when[32];

    if (r->server->options->log == LOG_NONE)
        return;
    stamp(when);
    if (r->server->options->log == LOG_JSON)
        log_json(r, peer, seconds, when);
    else
        log_line(r, peer, seconds, when);
}
