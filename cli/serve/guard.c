/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may ask: names of this host (against DNS rebinding), origins of pages,
 * and the token. */
#include "serve.h"

#include "../options.h"
#include "../output.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Whether "a,b,c" holds the text of n bytes, letters' case aside. */
static int list_has(const char *list, const char *text, size_t n)
{
    for (; list && *list; list += strspn(list, ",")) {
        size_t length = strcspn(list, ",");

        if (length == n && strncasecmp(list, text, n) == 0)
            return 1;
        list += length;
    }
    return 0;
}

/* "host:port" or "[host]:port": the host; 0: that is none. */
static int cut_host(const char *text, char host[256])
{
    size_t n = strcspn(text, ":");

    if (*text == '[') {
        n = strcspn(++text, "]");
        if (text[n] != ']' || (text[n + 1] && text[n + 1] != ':'))
            return 0;
    }
    if (n == 0 || n > 255)
        return 0;
    memcpy(host, text, n);
    host[n] = '\0';
    return 1;
}

/* An address cannot be rebound; a name can, so it must be known. */
static int is_our_host(const struct serve_options *o, const char *text)
{
    struct in6_addr address;
    char host[256];

    if (!cut_host(text, host))
        return 0;
    return inet_pton(AF_INET, host, &address) == 1 ||
           inet_pton(AF_INET6, host, &address) == 1 ||
           strcasecmp(host, "localhost") == 0 ||
           strcasecmp(host, o->host) == 0 ||
           list_has(o->allow_host, host, strlen(host));
}

/* Whether the page that asks came from here. */
static int is_same_origin(const char *origin, const char *host)
{
    const char *at = strstr(origin, "://");

    return at && host && strcasecmp(at + 3, host) == 0;
}

const char *guard_origin(const struct request *r)
{
    const char *list = r->server->options->allow_origin;
    const char *origin = list ? request_header(r, "Origin") : NULL;

    if (!origin)
        return NULL;
    return list_has(list, "*", 1) || list_has(list, origin, strlen(origin))
               ? origin
               : NULL;
}

int guard_check(struct request *r)
{
    const char *host = request_header(r, "Host");
    const char *origin = request_header(r, "Origin");

    if (host && !is_our_host(r->server->options, host))
        request_fail(r, 421,
                     "'%.100s' is not known as a name of this host: "
                     "--allow-host makes it so",
                     host);
    else if (origin && !is_same_origin(origin, host) && !guard_origin(r))
        request_fail(r, 403,
                     "pages of '%.100s' may not ask here: --allow-origin lets "
                     "them",
                     origin);
    return !r->refused;
}

/* In a time that does not tell where the two differ. */
static int is_equal(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned char difference = n != m;

    for (size_t i = 0; i < n; i++)
        difference |= (unsigned char)(a[i] ^ b[m ? i % m : 0]);
    return difference == 0;
}

int guard_token(struct request *r)
{
    const char *given = request_header(r, "Authorization");
    const char *token = r->server->token;

    if (!token)
        return 1;
    if (given && strncasecmp(given, "Bearer ", 7) == 0 &&
        is_equal(given + 7 + strspn(given + 7, " "), token))
        return 1;
    request_fail(r, 401, "%s",
                 given ? "the token is not the right one"
                       : "a token is asked for: Authorization: Bearer TOKEN");
    return 0;
}

char *guard_read_token(const char *path)
{
    char line[1024] = "";
    FILE *file = fopen(path, "r");
    const char *begin;
    size_t n;

    if (!file) {
        say_error("cannot open '%s': %s", path, strerror(errno));
        return NULL;
    }
    if (!fgets(line, sizeof(line), file))
        line[0] = '\0';
    fclose(file);
    begin = line + strspn(line, " \t");
    n = strcspn(begin, " \t\r\n");
    if (n == 0 || n + 1 >= sizeof(line) - (size_t)(begin - line) ||
        begin[n + strspn(begin + n, " \t\r\n")]) {
        say_error("'%s': its first line is no token: from 1 to %zu bytes "
                  "without blanks",
                  path, sizeof(line) - 2);
        return NULL;
    }
    return strndup(begin, n);
}
