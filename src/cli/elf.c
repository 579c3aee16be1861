/* SPDX-License-Identifier: MIT */
/*
 * Will the dynamic linker preload a library into this program?  Not into a
 * statically linked one, one for another machine, or one that gains
 * privileges when it starts; none of them says so itself.  Asked before the
 * program is started, because afterwards nobody is left to tell.
 *
 * What cannot be told (a file that cannot be read) passes: the program then
 * starts as it would without this look.
 */
#include "cli/cli.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* As many "#!" lines in a row as Linux follows. */
enum { INTERPRETERS_MAX = 5 };

#if defined __x86_64__
enum { OWN_MACHINE = EM_X86_64 };
#elif defined __aarch64__
enum { OWN_MACHINE = EM_AARCH64 };
#else
#error "kindgc runs on x86-64 and aarch64"
#endif

/* Privileges that make the kernel tell the dynamic linker to be careful
   (AT_SECURE): it then ignores LD_PRELOAD. */
static char *why_privileged(const char *path, int fd)
{
    struct stat st;
    struct statvfs fs;
    if (fstat(fd, &st) != 0 || (fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_NOSUID) != 0) ||
        prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return NULL;
    if ((st.st_mode & S_ISUID) != 0 && st.st_uid != getuid())
        return cli_format("it is setuid (%s), and the system loads nothing else into such programs", path);
    if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != getgid())
        return cli_format("it is setgid (%s), and the system loads nothing else into such programs", path);
    if (getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
        return cli_format(
            "it has file capabilities (%s), and the system loads nothing else into such programs", path);
    return NULL;
}

/* Does the program name glibc's dynamic linker? */
static char *why_interpreter(const char *path, int fd, const ElfW(Phdr) * h)
{
    char name[256] = "";
    size_t size = h->p_filesz < sizeof name - 1 ? h->p_filesz : sizeof name - 1;
    if (pread(fd, name, size, (off_t)h->p_offset) != (ssize_t)size)
        return NULL;
    const char *base = strrchr(name, '/');
    if (strncmp(base != NULL ? base + 1 : name, "ld-linux", 8) == 0)
        return NULL;
    return cli_format("it is started by %s (%s), not by glibc's dynamic linker; libkindgc.so needs glibc",
                      name, path);
}

static char *why_static(const char *path, int fd, const ElfW(Ehdr) * e)
{
    for (unsigned i = 0; i < e->e_phnum; i++) {
        ElfW(Phdr) h;
        if (pread(fd, &h, sizeof h, (off_t)(e->e_phoff + i * sizeof h)) != (ssize_t)sizeof h)
            return NULL;
        if (h.p_type == PT_INTERP)
            return why_interpreter(path, fd, &h);
    }
    return cli_format(
        "it is statically linked (%s), so no library can be loaded into it, and its libgc, if it has "
        "one, cannot be given memory",
        path);
}

static char *why_elf(const char *path, int fd, const ElfW(Ehdr) * e)
{
    if (e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_ident[EI_DATA] != ELFDATA2LSB ||
        e->e_machine != OWN_MACHINE)
        return cli_format("it is made for another machine (%s), for which this libkindgc.so is not", path);
    if (e->e_phentsize != sizeof(ElfW(Phdr)))
        return NULL;
    char *why = why_static(path, fd, e);
    return why != NULL ? why : why_privileged(path, fd);
}

/* The interpreter that a "#!" line names, in place; NULL when it names none. */
static char *interpreter_of(char *line)
{
    line[strcspn(line, "\n")] = '\0';
    line += 2;
    line += strspn(line, " \t");
    line[strcspn(line, " \t")] = '\0';
    return *line != '\0' ? line : NULL;
}

char *cli_why_not_preloadable(const char *path)
{
    char *at = cli_format("%s", path), *why = NULL;
    for (int i = 0; i <= INTERPRETERS_MAX && at != NULL; i++) {
        union {
            ElfW(Ehdr) elf;
            char text[4096];
        } head = {.text = ""};
        char *next = NULL;
        int fd = open(at, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, head.text, sizeof head.text - 1) : -1;
        if (n >= (ssize_t)sizeof head.elf && memcmp(head.text, ELFMAG, SELFMAG) == 0) {
            why = why_elf(at, fd, &head.elf);
        } else if (n > 2 && memcmp(head.text, "#!", 2) == 0) {
            const char *name = interpreter_of(head.text);
            next = name != NULL ? cli_format("%s", name) : NULL;
        }
        if (fd >= 0)
            close(fd);
        free(at);
        at = next;
    }
    free(at);
    return why;
}
