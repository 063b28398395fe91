/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet serve: models that answer over HTTP. */
#include "serve.h"

#include "../cli.h"
#include "../output.h"
#include "../runner.h"

#include <stdio.h>

#define AT(field) offsetof(struct serve_options, field)

/* clang-format off */
static const struct rn_option options_table[] = {
    {"runs", .type = RN_OPTION_TEXT, .offset = AT(runs), .value = "FOLDER",
     .help = "Show every run below FOLDER on the page as it trains, and at "
             "/runs; MODEL may be left out then"},
    {"host", .type = RN_OPTION_TEXT, .offset = AT(host), .value = "ADDRESS",
     .help = "Listen at this address; 0.0.0.0 or :: for all"},
    {"port", .type = RN_OPTION_INT, .offset = AT(port), .min = 0, .max = 65535,
     .value = "N", .help = "Listen at this port; 0: one that is free"},
    {"max-batch", .type = RN_OPTION_INT, .offset = AT(max_batch), .min = 1,
     .max = 256, .value = "N",
     .help = "Compute at most N pictures that wait together"},
    {"max-delay", .type = RN_OPTION_REAL, .offset = AT(max_delay), .min = 0,
     .max = 10000, .value = "MS",
     .help = "Let none wait longer than this for others, in milliseconds"},
    {"streams", .type = RN_OPTION_INT, .offset = AT(streams), .min = 1,
     .max = 64, .value = "N", .unset = "as many as threads, at most 4",
     .help = "Compute N batches side by side, the threads shared out; a "
             "picture that is alone has all of them"},
    {"queue", .type = RN_OPTION_INT, .offset = AT(queue), .min = 1,
     .max = 100000, .value = "N",
     .help = "Let at most N pictures wait; further ones are answered with 503"},
    {"connections", .type = RN_OPTION_INT, .offset = AT(connections), .min = 1,
     .max = 10000, .value = "N", .help = "Hold at most N connections open"},
    {"max-body", .type = RN_OPTION_INT, .offset = AT(max_body), .min = 1,
     .max = 2000, .value = "MB",
     .help = "Take at most so many millions of bytes with a request"},
    {"deadline", .type = RN_OPTION_REAL, .offset = AT(deadline), .min = 0.1,
     .max = 3600, .value = "S",
     .help = "Give up a request that takes longer in all, in seconds"},
    {"features", .type = RN_OPTION_TEXT, .offset = AT(features),
     .value = "STAGE",
     .help = "Serve the output of this stage, too, at /features/NAME"},
    {"token", .type = RN_OPTION_TEXT, .offset = AT(token), .value = "FILE",
     .help = "Ask for the token in the first line of FILE (Authorization: "
             "Bearer) everywhere but /health and the page's own files"},
    {"allow-host", .type = RN_OPTION_TEXT, .offset = AT(allow_host),
     .value = "NAME[,NAME...]",
     .help = "Answer under these names, too; without it under addresses, "
             "localhost and --host"},
    {"allow-origin", .type = RN_OPTION_TEXT, .offset = AT(allow_origin),
     .value = "ORIGIN[,ORIGIN...]",
     .help = "Let pages of these origins ask, too, or * for all"},
    {"log", .type = RN_OPTION_INDEX, .offset = AT(log),
     .words = "none|lines|json",
     .help = "Write a line for each request on standard error"},
};
/* clang-format on */

static const struct option_group groups[] = {
    {"options", .own = options_table, .count = COUNT(options_table)},
    RUNNER_GROUP(AT(run), "|batch|crops"),
    IMPORT_GROUPS(AT(import), "|aux_heads"),
};

static void defaults(void *options)
{
    struct serve_options *o = options;

    rn_eval_defaults(&o->run);
    rn_import_defaults(&o->import.o);
    o->host = "127.0.0.1";
    o->port = 8080;
    o->max_batch = 8;
    o->max_delay = 2;
    o->queue = 128;
    o->connections = 256;
    o->max_body = 32;
    o->deadline = 30;
}

/* What a server without models takes. */
#define OF_RUNS                                                      \
    "runs|host|port|connections|max-body|deadline|token|allow-host|" \
    "allow-origin|log"

static int run(const struct command *command, void *options,
               const struct args *args)
{
    const struct serve_options *o = options;
    struct option other;

    if (args->count == 0 && !o->runs) {
        say_error("MODEL is missing, and there is no --runs; usage: resnet %s "
                  "%s",
                  command->name, command->synopsis);
        return EXIT_USAGE;
    }
    if (args->count == 0 &&
        options_given_beside(command, args, OF_RUNS, &other)) {
        say_error("--%s is of models, but there is none beside --runs",
                  other.name);
        return EXIT_USAGE;
    }
#ifdef RN_WITH_SERVE
    return serve_run(o, args->operand, args->count);
#else
    say_error("this program was built without its server: libmicrohttpd was "
              "missing then");
    return EXIT_FAILED;
#endif
}

const struct command command_serve = {
    .name = "serve",
    .synopsis = "[[NAME=]MODEL ...] [--runs FOLDER] [option ...]",
    .summary = "Answer over HTTP what models take pictures for, with a page to "
               "try them and to watch runs.",
    .notes =
        "POST /predict/NAME takes a picture as its body, or several as "
        "multipart/form-data,\nand answers as predict --json prints; "
        "?top=K, ?cam=1. /v2 speaks the Open\nInference Protocol, /metrics is "
        "for Prometheus, /openapi.json describes all of it.\nSIGTERM: no "
        "further connections, what came is answered, exit 0. SIGHUP: the "
        "files\nare read anew; a bad one leaves the old model serving.\n",
    .groups = groups,
    .n_groups = COUNT(groups),
    .size = sizeof(struct serve_options),
    .max_args = 64,
    .defaults = defaults,
    .run = run,
};
