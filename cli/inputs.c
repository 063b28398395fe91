/* SPDX-License-Identifier: BSD-2-Clause */
/* Goes through files, folders, archives and standard input, picture by
 * picture. */
#include "inputs.h"

#include "options.h"
#include "output.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ------------------------------------------------------------ data sets */

int parse_validation(const char *text, int *images, double *percent)
{
    char *end;
    double value;

    if (!text)
        return 0;
    value = parse_decimal(text, &end);
    if (end != text && strcmp(end, "%") == 0 && value >= 0 && value < 100) {
        *percent = value;
        return 0;
    }
    if (end != text && !*end && value >= 0 && value <= 1e9 &&
        value == floor(value)) {
        *images = (int)value;
        return 0;
    }
    say_error("--validation: '%s' is not a number of images, or a percentage "
              "below 100 with %%",
              text);
    return -1;
}

static int parse_index(const char *text, char **end, int *out)
{
    long value;

    if (*text < '0' || *text > '9')
        return -1;
    errno = 0;
    value = strtol(text, end, 10);
    if (errno || value > 1000000000)
        return -1;
    *out = (int)value;
    return 0;
}

static int parse_range(const char *text, struct input *input)
{
    char *end;

    if (parse_index(text, &end, &input->first) < 0)
        return -1;
    input->last = input->first;
    if (*end == '-' && parse_index(end + 1, &end, &input->last) < 0)
        return -1;
    return *end || input->last < input->first ? -1 : 0;
}

/* Cut ":train" or ":test" off the end of spec. */
static enum rn_part cut_part(char *spec)
{
    static const enum rn_part parts[] = {RN_PART_TRAIN, RN_PART_TEST};
    char *colon = strrchr(spec, ':');

    for (size_t i = 0; colon && i < COUNT(parts); i++) {
        if (strcmp(colon + 1, rn_part_name(parts[i])) == 0) {
            *colon = '\0';
            return parts[i];
        }
    }
    return RN_PART_TEST;
}

static void out_of_memory(struct rn_error *err)
{
    err->code = RN_ERR_MEMORY;
    snprintf(err->msg, sizeof(err->msg), "out of memory");
}

/* DATA may hold colons itself: the last component is the index. Whether the
 * text has such a form. */
static int parse_data(struct input *input)
{
    const char *colon = strrchr(input->text, ':');

    if (!colon || colon == input->text || parse_range(colon + 1, input) < 0)
        return 0;
    input->spec = strndup(input->text, (size_t)(colon - input->text));
    if (!input->spec) {
        out_of_memory(&input->err);
        return 1;
    }
    input->part = cut_part(input->spec);
    input->kind = INPUT_DATA;
    return 1;
}

/* ------------------------------------------------------------- pictures */

static void find_pictures(struct input *input)
{
    if (rn_pictures_find(&input->pictures, input->text, &input->err) == RN_OK)
        input->kind = INPUT_PICTURES;
}

void input_parse(struct input *input, const char *text)
{
    struct stat st;

    *input = (struct input){.text = text};
    if (strcmp(text, "-") == 0)
        input->kind = INPUT_STANDARD;
    else if (lstat(text, &st) == 0)
        find_pictures(input);
    else if (!parse_data(input)) {
        input->err.code = RN_ERR_IO;
        snprintf(input->err.msg, sizeof(input->err.msg),
                 "cannot open '%.300s': %s; nor is it DATA:INDEX, "
                 "DATA:FIRST-LAST or DATA:train:INDEX",
                 text, strerror(errno));
    }
}

void input_free(struct input *input)
{
    rn_pictures_destroy(input->pictures);
    free(input->spec);
}

size_t input_images(const struct input *input)
{
    switch (input->kind) {
    case INPUT_PICTURES:
        return rn_pictures_count(input->pictures);
    case INPUT_DATA:
        return (size_t)(input->last - input->first) + 1;
    default:
        return 1;
    }
}

/* ------------------------------------------------------- standard input */

#define STANDARD_NAME "standard input"
#define MAX_BYTES     ((size_t)1 << 28) /* as rn_image_load() */

/* All of it, or a byte more than the limit, in malloc()ed memory. */
static char *read_all(size_t *size, struct rn_error *err)
{
    size_t room = 1 << 16, got;
    char *bytes = NULL, *larger;

    *size = 0;
    do {
        room *= 2;
        larger = realloc(bytes, room);
        if (!larger) {
            free(bytes);
            out_of_memory(err);
            return NULL;
        }
        bytes = larger;
        got = fread(bytes + *size, 1, room - *size, stdin);
        *size += got;
    } while (*size == room && *size <= MAX_BYTES);
    return bytes;
}

int input_read_standard(struct rn_image *image, int flags, struct rn_error *err)
{
    size_t size;
    char *bytes = read_all(&size, err);
    int rc;

    if (!bytes)
        return err->code;
    if (ferror(stdin)) {
        rc = err->code = RN_ERR_IO;
        snprintf(err->msg, sizeof(err->msg),
                 "cannot read " STANDARD_NAME ": %s", strerror(errno));
    } else if (size > MAX_BYTES) {
        rc = err->code = RN_ERR_DATA;
        snprintf(err->msg, sizeof(err->msg),
                 STANDARD_NAME " is larger than the expected %zu bytes",
                 MAX_BYTES);
    } else {
        rc = rn_image_decode(image, bytes, size, STANDARD_NAME, flags, err);
    }
    free(bytes);
    return rc;
}
