/* SPDX-License-Identifier: BSD-2-Clause */
/* The log as events for TensorBoard: a record for each line, a message
 * tensorflow.Event each. Its fields: wall_time = 1 (double), step = 2,
 * file_version = 3, summary = 5; a summary's value = 1; a value's tag = 1,
 * simple_value = 2 (float). */
#include "core/protobuf.h"
#include "core/tfrecord.h"
#include "train/run.h"

#include "core/memory.h"

#include <math.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define VERSION "brain.Event:2"
/* Ours have some hundred bytes. */
#define RECORD_MOST 65536

static double clock_time(void)
{
    struct timeval now = {.tv_sec = 0};

    gettimeofday(&now, NULL);
    return (double)now.tv_sec + 1e-6 * (double)now.tv_usec;
}

static int write_event(struct rn_events *events, struct rn_pb_out *out,
                       struct rn_error *err)
{
    int rc = RN_OK;

    if (out->failed)
        rc = rn_fail_memory(err, RECORD_MOST, "an event");
    else if (!rn_tfrecord_write(events->file, out->bytes, out->size) ||
             fflush(events->file) != 0)
        rc = rn_fail_errno(err, "write", events->path);
    rn_free(out->bytes);
    return rc;
}

static int begin_file(struct rn_events *events, struct rn_error *err)
{
    struct rn_pb_out out = {.size = 0};

    rn_pb_put_double(&out, 1, clock_time());
    rn_pb_put_text(&out, 3, VERSION);
    return write_event(events, &out, err);
}

/* Of an event as above; -1: it is none. */
static long event_step(const uint8_t *bytes, size_t size)
{
    struct rn_pb message = {bytes, size};
    struct rn_pb_field field;
    long step = 0;
    int more;

    while ((more = rn_pb_next(&message, &field)) == 1)
        if (field.number == 2 && field.type == RN_PB_VARINT)
            step = (long)field.value;
    return more < 0 ? -1 : step;
}

/* Leave out what comes after an iteration, or was cut short by a kill. */
static int cut(struct rn_events *events, long iteration, struct rn_error *err)
{
    off_t keep = 0;
    uint8_t *bytes;
    size_t size;
    int more;

    rewind(events->file);
    while ((more = rn_tfrecord_read(events->file, RECORD_MOST, &bytes,
                                    &size)) == 1) {
        long step = event_step(bytes, size);

        rn_free(bytes);
        if (step < 0 || step > iteration)
            break;
        keep = ftello(events->file);
    }
    if (more < 0)
        return rn_fail_errno(err, "read", events->path);
    fseeko(events->file, 0, SEEK_END);
    if (ftruncate(fileno(events->file), keep) != 0)
        return rn_fail_errno(err, "shorten", events->path);
    return keep == 0 ? begin_file(events, err) : RN_OK;
}

int rn_events_open(struct rn_events *events, const char *path, long iteration,
                   struct rn_error *err)
{
    events->path = path;
    events->file = fopen(path, "a+e");
    if (!events->file)
        return rn_fail_errno(err, "open", path);
    return cut(events, iteration, err);
}

static void put_value(struct rn_pb_out *out, const char *tag, double value)
{
    size_t begun = rn_pb_begin(out, 1);

    rn_pb_put_text(out, 1, tag);
    rn_pb_put_float(out, 2, (float)value);
    rn_pb_end(out, begun);
}

/* "test_error" is "test/error": TensorBoard puts charts of one beginning
 * together. */
static void put_measured(struct rn_pb_out *out, const struct rn_measured *m)
{
    char tag[80];
    char *low;

    snprintf(tag, sizeof(tag), "%s", m->name);
    low = strchr(tag, '_');
    if (low)
        *low = '/';
    put_value(out, tag, m->value);
}

int rn_events_line(struct rn_events *events, const struct rn_train_report *r,
                   struct rn_error *err)
{
    struct rn_pb_out out = {.size = 0};
    size_t begun;

    if (!events->file)
        return RN_OK;
    rn_pb_put_double(&out, 1, clock_time());
    rn_pb_put_varint(&out, 2, (uint64_t)r->iteration);
    begun = rn_pb_begin(&out, 5);
    put_value(&out, "train/loss", r->loss);
    if (r->aux_heads)
        put_value(&out, "train/aux_loss", r->aux_loss);
    if (!isnan(r->train_error)) /* of a hint there is none */
        put_value(&out, "train/error", r->train_error);
    put_value(&out, "train/lr", r->lr);
    put_value(&out, "train/epoch", r->epoch);
    put_value(&out, "time/images_per_second", r->images_per_second);
    put_value(&out, "time/data_wait", r->data_wait);
    for (int i = 0; i < r->measures; i++)
        put_measured(&out, &r->measured[i]);
    rn_pb_end(&out, begun);
    return write_event(events, &out, err);
}

void rn_events_close(struct rn_events *events)
{
    if (events->file)
        fclose(events->file);
    events->file = NULL;
}
