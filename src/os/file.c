/* SPDX-License-Identifier: MIT */
/* Unlinked temporary files: see file.h. */
#include "os/file.h"
#include "os/os.h"
#include "os/proc.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* For file systems without O_TMPFILE: a name that exists for an instant. */
static int open_and_unlink(const char *directory)
{
    char path[4200];
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        snprintf(path, sizeof path, "%s/.kindgc-%ld-%u", directory, (long)getpid(), attempt);
        int fd = kgc__os.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0) {
            unlink(path);
            return fd;
        }
        if (errno != EEXIST)
            break;
    }
    return -1;
}

int kgc__file_open(const char *directory, off_t size, int *out)
{
    int fd = kgc__os.open(directory, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
        fd = open_and_unlink(directory);
    if (fd < 0)
        return errno;
    if (kgc__os.ftruncate(fd, size) != 0) {
        int error = errno;
        close(fd);
        return error;
    }
    *out = fd;
    return 0;
}

void kgc__file_close(int fd)
{
    close(fd);
}

void kgc__file_adopt(struct kgc__file *file, int fd)
{
    struct stat st = {0};
    fstat(fd, &st);
    *file = (struct kgc__file){.fd = fd, .device = st.st_dev, .inode = st.st_ino};
}

bool kgc__file_is_open(const struct kgc__file *file)
{
    struct stat st;
    return file->fd >= 0 && fstat(file->fd, &st) == 0 && st.st_dev == file->device &&
           st.st_ino == file->inode;
}

void kgc__file_drop(struct kgc__file *file)
{
    if (kgc__file_is_open(file))
        close(file->fd);
    file->fd = -1;
}

void kgc__file_replace(struct kgc__file *file, int fd)
{
    kgc__file_drop(file);
    kgc__file_adopt(file, fd);
}

static int allocate(const struct kgc__file *file, int mode, off_t offset, off_t size)
{
    if (!kgc__file_is_open(file))
        return EBADF;
    while (kgc__os.fallocate(file->fd, mode, offset, size) != 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

int kgc__file_promise(const struct kgc__file *file, off_t offset, off_t size)
{
    return allocate(file, 0, offset, size);
}

int kgc__file_punch(const struct kgc__file *file, off_t offset, off_t size)
{
    return allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);
}

/*
 * A fault reads ahead as much as is set for the device.  The usual 128 KiB
 * help where what is allocated together is used together: a live heap of 1.7
 * times a 96 MiB limit took 3 s with them and 24 s with single pages.  Much
 * more throws out of memory what is needed there: the same heap in random
 * order took 46 s with single pages, and with 8 MiB had read 364 GB and was
 * not done after 11 minutes.  The bound between the two is a guess.
 */
enum { READ_AHEAD_MOST = 1024 * 1024 };

static size_t read_ahead(int fd)
{
    struct stat st;
    char path[64];
    if (fstat(fd, &st) != 0)
        return 0;
    snprintf(path, sizeof path, "/sys/class/bdi/%u:%u/read_ahead_kb", major(st.st_dev), minor(st.st_dev));
    return kgc__proc_number(path, 0) * 1024;
}

int kgc__file_map(void *p, size_t size, int protection, int fd, off_t offset)
{
    void *q = kgc__os.mmap(p, size, protection, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, offset);
    if (q == MAP_FAILED)
        return errno;
    if (read_ahead(fd) > READ_AHEAD_MOST)
        kgc__os.madvise(p, size, MADV_RANDOM);
    return 0;
}

void kgc__file_measure(struct kgc__file *file)
{
    file->alone = read_ahead(file->fd) > READ_AHEAD_MOST;
}

int kgc__file_map_piece(const struct kgc__file *file, void *p, size_t size, off_t offset)
{
    if (!kgc__file_is_open(file))
        return EBADF;
    const int flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE;
    void *q = kgc__os.mmap(p, size, PROT_READ | PROT_WRITE, flags, file->fd, offset);
    if (q == MAP_FAILED)
        return errno;
    if (file->alone)
        kgc__os.madvise(p, size, MADV_RANDOM);
    return 0;
}

int kgc__file_write(const struct kgc__file *file, const void *p, size_t size, off_t offset)
{
    if (!kgc__file_is_open(file))
        return EBADF;
    for (size_t done = 0; done < size;) {
        ssize_t n = kgc__os.pwrite(file->fd, (const char *)p + done, size - done, offset + (off_t)done);
        if (n < 0 && errno != EINTR)
            return errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int kgc__file_extend(const struct kgc__file *file, off_t size)
{
    if (!kgc__file_is_open(file))
        return EBADF;
    return kgc__os.ftruncate(file->fd, size) == 0 ? 0 : errno;
}

static int copy_bytes(int from, int to, off_t offset, off_t end)
{
    static char buffer[1 << 20]; /* only fork's handlers copy, one at a time */
    while (offset < end) {
        size_t want = end - offset < (off_t)sizeof buffer ? (size_t)(end - offset) : sizeof buffer;
        ssize_t n = kgc__os.pread(from, buffer, want, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        for (ssize_t done = 0; done < n;) {
            ssize_t k = kgc__os.pwrite(to, buffer + done, (size_t)(n - done), offset + done);
            if (k < 0 && errno != EINTR)
                return errno;
            if (k > 0)
                done += k;
        }
        offset += n;
    }
    return 0;
}

int kgc__file_copy(int from, int to, off_t offset, off_t size)
{
    struct file_clone_range clone = {
        .src_fd = from, .src_offset = (__u64)offset, .src_length = (__u64)size, .dest_offset = (__u64)offset};
    if (size == 0 || ioctl(to, FICLONERANGE, &clone) == 0)
        return 0;
    for (off_t at = offset, end = offset + size; at < end;) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            return 0; /* only holes are left */
        off_t hole = data < 0 ? end : lseek(from, data, SEEK_HOLE);
        if (data < 0)
            data = at; /* cannot tell holes: all is data */
        if (hole < 0 || hole > end)
            hole = end;
        if (data >= end)
            return 0;
        int error = copy_bytes(from, to, data, hole);
        if (error != 0)
            return error;
        at = hole;
    }
    return 0;
}
