/* SPDX-License-Identifier: BSD-2-Clause */
/* Records as TensorFlow's files hold them: sizes and bytes, each with a
 * checksum. */
#ifndef RN_CORE_TFRECORD_H
#define RN_CORE_TFRECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** CRC-32C (Castagnoli), as hardware and iSCSI have it; rotated and moved by a
 *  constant, so that checksums of data that hold checksums stay good. */
uint32_t rn_crc32c(const void *bytes, size_t size);
uint32_t rn_crc32c_masked(const void *bytes, size_t size);

/** Whether all of it went to the stream. */
bool rn_tfrecord_write(FILE *file, const void *bytes, size_t size);

/** Read the next record into rn_alloc()ed *bytes. 1; 0 where the file ends, or
 *  what follows is no whole record of at most `most` bytes; -1 when memory is
 *  short or the file cannot be read, as errno tells. */
int rn_tfrecord_read(FILE *file, size_t most, uint8_t **bytes, size_t *size);

#endif
