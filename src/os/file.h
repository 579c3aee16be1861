/* SPDX-License-Identifier: MIT */
/* Unlinked temporary files that hold memory.  Functions return 0 or an errno value. */
#ifndef KGC_OS_FILE_H
#define KGC_OS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * A file and its identity: programs that close every descriptor close ours
 * too, and the number may then be somebody else's file.
 */
struct kgc__file {
    int fd; /* -1: none */
    dev_t device;
    ino_t inode;
    bool alone; /* a fault is to read a single page: see kgc__file_measure() */
};

/* A nameless file in a directory, mode 0600, close-on-exec, of this size
   (sparse).  *fd is the caller's. */
int kgc__file_open(const char *directory, off_t size, int *fd);
/* fd must be a file of ours. */
void kgc__file_close(int fd);

/* Takes a descriptor that kgc__file_open() made. */
void kgc__file_adopt(struct kgc__file *file, int fd);
/* Closes the old descriptor and takes another. */
void kgc__file_replace(struct kgc__file *file, int fd);
/* Is the descriptor still that of our file? */
bool kgc__file_is_open(const struct kgc__file *file);
/* Closes it, if it is still ours. */
void kgc__file_drop(struct kgc__file *file);

/* Promises blocks for a piece, so that writing to it cannot fail later.
   EOPNOTSUPP where the file system cannot promise; EBADF when somebody has
   closed the descriptor. */
int kgc__file_promise(const struct kgc__file *file, off_t offset, off_t size);
/* Gives a piece's blocks back; it reads as zero afterwards. */
int kgc__file_punch(const struct kgc__file *file, off_t offset, off_t size);
/* Maps a piece shared at addresses that are ours already. */
int kgc__file_map(void *p, size_t size, int protection, int fd, off_t offset);
/* Asks once what kgc__file_map() asks each time. */
void kgc__file_measure(struct kgc__file *file);
/* The same, readable and writable, for a measured file: cheaper.  EBADF when
   somebody has closed the descriptor.  On failure what was there is as it was. */
int kgc__file_map_piece(const struct kgc__file *file, void *p, size_t size, off_t offset);
/* Writes to a piece that is promised. */
int kgc__file_write(const struct kgc__file *file, const void *p, size_t size, off_t offset);
/* Makes the file larger, sparse. */
int kgc__file_extend(const struct kgc__file *file, off_t size);

/* Copies a piece of a file that has the same layout: shared blocks where the
   file system can, otherwise data only, holes stay holes. */
int kgc__file_copy(int from, int to, off_t offset, off_t size);

#endif
