/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes the sections of Darknet's texts apart. */
#include "formats/darknet/cfg.h"

#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"

#include <string.h>

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct rn_pb trim(const uint8_t *at, const uint8_t *end)
{
    while (at < end && is_blank(*at))
        at++;
    while (at < end && is_blank(end[-1]))
        end--;
    return (struct rn_pb){at, (size_t)(end - at)};
}

static int fail_line(const struct rn_cfg *cfg, int line, struct rn_pb text,
                     const char *expected, struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA, "'%s': line %d is '%.*s', expected %s",
                   cfg->path, line, RN_PB_SHOW(text), expected);
}

static int add_section(struct rn_cfg *cfg, struct rn_pb text, int line,
                       struct rn_error *err)
{
    if (text.at[text.size - 1] != ']')
        return fail_line(cfg, line, text, "']' at its end", err);
    if (cfg->n_sections >= RN_CFG_SECTIONS)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': more than %d sections, which no network has",
                       cfg->path, RN_CFG_SECTIONS);
    if (!rn_grow(&cfg->sections, &cfg->sections_room, cfg->n_sections,
                 sizeof(*cfg->sections)))
        return rn_fail_memory(err, sizeof(*cfg->sections), "a section");
    cfg->sections[cfg->n_sections++] =
        (struct rn_cfg_section){.name = {text.at + 1, text.size - 2},
                                .line = line,
                                .first = (uint32_t)cfg->n_values};
    return RN_OK;
}

static int add_value(struct rn_cfg *cfg, struct rn_pb text, int line,
                     struct rn_error *err)
{
    const uint8_t *end = text.at + text.size;
    const uint8_t *equals = memchr(text.at, '=', text.size);

    if (!equals || cfg->n_sections == 0)
        return fail_line(cfg, line, text,
                         equals ? "a section in brackets first" : "KEY=VALUE",
                         err);
    if (cfg->n_values >= RN_CFG_VALUES)
        return rn_fail(err, RN_ERR_DATA,
                       "'%s': more than %d values, which no network has",
                       cfg->path, RN_CFG_VALUES);
    if (!rn_grow(&cfg->values, &cfg->values_room, cfg->n_values,
                 sizeof(*cfg->values)))
        return rn_fail_memory(err, sizeof(*cfg->values), "a value");
    cfg->values[cfg->n_values++] =
        (struct rn_cfg_value){trim(text.at, equals), trim(equals + 1, end)};
    cfg->sections[cfg->n_sections - 1].count++;
    return RN_OK;
}

int rn_cfg_parse(struct rn_cfg *cfg, const uint8_t *bytes, size_t size,
                 const char *path, struct rn_error *err)
{
    const uint8_t *at = bytes, *end = bytes + size;
    int rc = RN_OK;

    memset(cfg, 0, sizeof(*cfg));
    cfg->path = path;
    for (int line = 1; at < end && !rc; line++) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        struct rn_pb text = trim(at, stop ? stop : end);

        if (text.size && *text.at == '[')
            rc = add_section(cfg, text, line, err);
        else if (text.size && *text.at != '#' && *text.at != ';')
            rc = add_value(cfg, text, line, err);
        at = stop ? stop + 1 : end;
    }
    return rc;
}

int rn_cfg_open(struct rn_cfg *cfg, const char *path, struct rn_error *err)
{
    char *text;
    size_t size;

    memset(cfg, 0, sizeof(*cfg));
    int rc = rn_text_read(path, RN_CFG_BYTES, &text, &size, err);
    if (rc)
        return rc;
    rc = rn_cfg_parse(cfg, (uint8_t *)text, size, path, err);
    cfg->file = (uint8_t *)text;
    return rc;
}

void rn_cfg_close(struct rn_cfg *cfg)
{
    rn_free(cfg->sections);
    rn_free(cfg->values);
    rn_free(cfg->file);
    memset(cfg, 0, sizeof(*cfg));
}

const struct rn_pb *rn_cfg_find(const struct rn_cfg *cfg,
                                const struct rn_cfg_section *section,
                                const char *key)
{
    for (uint32_t i = 0; i < section->count; i++)
        if (rn_pb_is(cfg->values[section->first + i].key, key))
            return &cfg->values[section->first + i].value;
    return NULL;
}
