/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket that a server listens at: bound by itself, or given by systemd. */
#include "serve.h"

#include "../output.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int is_loopback_address(const struct sockaddr *a)
{
    const struct sockaddr_in *four = (const void *)a;
    const struct sockaddr_in6 *six = (const void *)a;

    if (a->sa_family == AF_INET)
        return ntohl(four->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

/* Where a socket is bound: "http://127.0.0.1:8080/". */
static int describe_socket(int fd, char *shown, size_t size, int *is_loopback)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof(a);
    char host[64], port[16];
    int six;

    if (getsockname(fd, (struct sockaddr *)&a, &n) != 0)
        return -1;
    if (a.ss_family == AF_UNIX) {
        snprintf(shown, size, "a local socket");
        *is_loopback = 1;
        return 0;
    }
    if (getnameinfo((struct sockaddr *)&a, n, host, sizeof(host), port,
                    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return -1;
    six = strchr(host, ':') != NULL;
    snprintf(shown, size, "http://%s%s%s:%s/", six ? "[" : "", host,
             six ? "]" : "", port);
    *is_loopback = is_loopback_address((struct sockaddr *)&a);
    return 0;
}

/* The first descriptor that systemd hands over (sd_listen_fds(3)). */
#define GIVEN 3

int socket_is_given(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

    return pid && count && strtol(pid, NULL, 10) == (long)getpid() &&
           strtol(count, NULL, 10) >= 1;
}

static int bind_address(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 1024) == 0)
        return fd;
    on = errno;
    close(fd);
    errno = on;
    return -1;
}

int socket_open(const struct serve_options *o, char *shown, size_t size,
                int *is_loopback)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int fd = socket_is_given() ? GIVEN : -1, rc;
    char port[16];

    snprintf(port, sizeof(port), "%d", o->port);
    if (fd < 0) {
        rc = getaddrinfo(o->host, port, &hints, &found);
        if (rc != 0) {
            say_error("--host: cannot find '%s': %s", o->host,
                      gai_strerror(rc));
            return -1;
        }
        /* of a name that has several, as localhost, some may not be ours */
        for (const struct addrinfo *a = found; fd < 0 && a; a = a->ai_next)
            fd = bind_address(a);
        freeaddrinfo(found);
    }
    if (fd < 0 || describe_socket(fd, shown, size, is_loopback) != 0) {
        say_error("cannot listen at %s, port %s: %s", o->host, port,
                  strerror(errno));
        return -1;
    }
    return fd;
}
