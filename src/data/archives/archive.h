/* SPDX-License-Identifier: BSD-2-Clause */
/* Archives read in place: an index of their members is made when they are
 * opened, and bytes are fetched from where they lie: of tar, and of zip whose
 * members are stored or deflated. One that is compressed as a whole is first
 * unpacked into a temporary file. */
#ifndef RN_DATA_ARCHIVES_ARCHIVE_H
#define RN_DATA_ARCHIVES_ARCHIVE_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct rn_member {
    char *name; /* within the archive: no "./", no slash at the ends */
    enum {
        RN_MEMBER_FILE,
        RN_MEMBER_FOLDER,
        RN_MEMBER_LINK,    /* to a name within the archive */
        RN_MEMBER_SYMLINK, /* to a path seen from its folder */
        RN_MEMBER_OTHER,
    } kind;
    char *target;  /* of what is or was a link */
    size_t order;  /* place in the archive's order */
    uint64_t at;   /* where its bytes begin in the file on disk */
    uint64_t size; /* of the file */
    /* of zip: */
    bool deflated;
    uint64_t packed; /* bytes in the archive */
    uint32_t crc;    /* 0: none was taken */
};

/** The temporary file of a data set's compressed archives, one behind the
 *  other. It has no name, and is gone when it is closed. */
struct rn_spool;

struct rn_archive {
    char *path;       /* for messages */
    char *file;       /* on disk; of an archive in another, the other's */
    struct stat stat; /* of that file when it was opened */
    const struct rn_spool *spool; /* borrowed: it lies there, not in file */
    uint64_t at, size;            /* the archive's part of it */
    struct rn_member *member;     /* ordered by name */
    size_t count, room;
};

/** How names of archives end: .tar, .zip, .tar.gz and so on, or in capitals;
 *  then NULL. */
extern const char *const rn_archive_endings[];
/** Bytes of a name before such an ending; 0 when it has none, or nothing
 *  before it. */
size_t rn_archive_stem(const char *name);
/** Whether a name ends so, and with more before it. */
bool rn_archive_named(const char *name);

/** RN_ERR_DATA when these are the first bytes of a file that is compressed as a
 *  whole, saying how to decompress it. */
int rn_archive_check_plain(const char *path, const uint8_t *bytes, size_t size,
                           struct rn_error *err);

/**
 * Open an archive that is a file of its own, or, with `outer`, a member of
 * another one that is a plain file. Nothing stays open but the index.
 *
 * @param spool where it is unpacked to when it is compressed as a whole; made
 *              when it is needed, and then the caller's to close, after all its
 *              archives.
 * @return RN_ERR_DATA when it is cut short or damaged; when a name leads out of
 *         it; RN_ERR_IO, saying what to do about it, without room to unpack it.
 *
 * Of several members of one name in a tar the last counts, as when unpacking; a
 * zip has no such. Links to files of the archive become those files; others
 * stay links.
 */
int rn_archive_open(struct rn_archive **out, const char *path,
                    const struct rn_archive *outer,
                    const struct rn_member *member, struct rn_spool **spool,
                    struct rn_error *err);
void rn_archive_close(struct rn_archive *archive);

/** Keep only what lies below a folder, named as seen from there. */
int rn_archive_enter(struct rn_archive *archive, const char *folder,
                     struct rn_error *err);

/** Member of that name, or NULL. Folders need not be members. */
const struct rn_member *rn_archive_find(const struct rn_archive *archive,
                                        const char *name);
/** The first of the members below a folder ("": of all), which stand together
 *  but for the folder itself; or where it would be. */
size_t rn_archive_below(const struct rn_archive *archive, const char *folder);

/** All bytes of a file into rn_alloc()ed memory, as rn_file_read(). Any number
 *  of threads may do so at once. RN_ERR_DATA when the archive is another than
 *  when it was opened. `name` is for messages. */
int rn_archive_read(const struct rn_archive *archive,
                    const struct rn_member *member, const char *name,
                    size_t limit, uint8_t **bytes, size_t *size,
                    struct rn_error *err);
/** The first `room` bytes of it, or as many as there are, or of a damaged one
 *  as many as inflate; RN_ERR_DATA when these are none. */
int rn_archive_peek(const struct rn_archive *archive,
                    const struct rn_member *member, const char *name,
                    uint8_t *bytes, size_t room, size_t *size,
                    struct rn_error *err);

/* ---------------------------------------------- the index while it is made */

/** Add a member; its name and its target, if any, are tidied and copied. The
 *  archive's root itself is left out; RN_ERR_DATA for names outside of it. */
int rn_archive_add(struct rn_archive *archive, const char *name,
                   const struct rn_member *member, struct rn_error *err);
/** All members are added: order them by name, keep the last of several of one
 *  name, and follow links. */
void rn_archive_settle(struct rn_archive *archive);
/** Release the members. */
void rn_archive_clear(struct rn_archive *archive);

/* ------------------------------------------------- one file for each format */

/** Add the members of an archive in memory. */
int rn_archive_index_tar(struct rn_archive *archive, const uint8_t *bytes,
                         size_t size, struct rn_error *err);
int rn_archive_index_zip(struct rn_archive *archive, const uint8_t *bytes,
                         size_t size, struct rn_error *err);

/** Unpack an archive in memory, behind what is in the spool, which is made if
 *  there is none; *length is how much it is. What would grow like a bomb, or
 *  fill the disk, is refused. `command` would unpack it, too. */
int rn_spool_unpack(struct rn_spool **spool, const char *path,
                    const char *command, const uint8_t *bytes, size_t size,
                    uint64_t *length, struct rn_error *err);
int rn_spool_file(const struct rn_spool *spool);
uint64_t rn_spool_size(const struct rn_spool *spool);
void rn_spool_close(struct rn_spool *spool);

/** From `packed` bytes of a zip's member to all of its own. */
int rn_archive_unzip(const struct rn_member *member, const char *name,
                     const uint8_t *packed, uint8_t **bytes,
                     struct rn_error *err);
/** From the first of a deflated member's bytes to at most `room` of its own;
 *  *size is 0 when they are damaged. */
void rn_archive_inflate_head(const uint8_t *packed, size_t packed_size,
                             uint8_t *bytes, size_t room, size_t *size);

#endif
