/* SPDX-License-Identifier: MIT */
/*
 * Ports: files and strings that are read or written.  A port that a program
 * forgets is closed by its finalizer, which first writes what is still in the
 * buffer; and when descriptors run out, a collection looks for such ports
 * before opening fails.
 */
#include "interp.h"
#include "lib.h"
#include "reader.h"
#include "text.h"
#include <errno.h>
#include <fcntl.h>
#include <kindgc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER 16384

typedef struct port {
    object_type type;
    bool is_input, is_open;
    int fd;      /* -1: a string */
    text buffer; /* to be written, or read */
    size_t at;   /* read so far */
    unsigned line;
} port;

port_counts ports;
static port *standard_output; /* in a static variable, hence alive */

static bool write_out(port *p)
{
    size_t done = 0;
    while (done < p->buffer.length) {
        ssize_t n = write(p->fd, p->buffer.bytes + done, p->buffer.length - done);
        if (n < 0 && errno != EINTR)
            break;
        if (n > 0)
            done += (size_t)n;
    }
    bool ok = done == p->buffer.length;
    p->buffer.length = 0;
    return ok;
}

/* Runs in whatever allocates: it touches nothing but the port, and its buffer,
   which is intact. */
static void finalize_port(void *unreachable, void *data)
{
    port *p = unreachable;
    (void)data;
    ports.finalized++;
    if (!p->is_open)
        return;
    if (!p->is_input)
        write_out(p);
    close(p->fd);
    p->is_open = false;
    ports.closed++;
}

static port *new_port(int fd, bool is_input)
{
    port *p = new_scanned(sizeof *p);
    p->type = T_PORT;
    p->fd = fd;
    p->is_input = is_input;
    p->is_open = true;
    p->line = 1;
    return p;
}

static value open_file(value name, int flags)
{
    const char *path = to_string(name)->bytes;
    port *p =
        new_port(-1, (flags & O_ACCMODE) == O_RDONLY); /* first: what follows must not fail with the fd */
    int fd = open(path, flags | O_CLOEXEC, 0666);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
        kgc_collect();
        kgc_finalizers_run();
        fd = open(path, flags | O_CLOEXEC, 0666);
    }
    if (fd < 0)
        raise_error("%s: %s: %s", interp.current->name, path, strerror(errno));
    p->fd = fd;
    if (kgc_register_finalizer(p, finalize_port, NULL, KGC_FINALIZE_NORMAL, NULL, NULL)) {
        close(fd);
        raise_out_of_memory(0);
    }
    return (value)p;
}

static value p_open_input(int argc, value *argv)
{
    (void)argc;
    return open_file(argv[0], O_RDONLY);
}

static value p_open_output(int argc, value *argv)
{
    (void)argc;
    return open_file(argv[0], O_WRONLY | O_CREAT | O_TRUNC);
}

static value p_open_input_string(int argc, value *argv)
{
    (void)argc;
    port *p = new_port(-1, true);
    p->buffer.bytes = to_string(argv[0])->bytes;
    p->buffer.length = string_of(argv[0])->length;
    return (value)p;
}

static value p_open_output_string(int argc, value *argv)
{
    (void)argc, (void)argv;
    return (value)new_port(-1, false);
}

static port *to_port(value v, bool is_input)
{
    port *p = (port *)v;
    if (!is_type(v, T_PORT) || p->is_input != is_input)
        raise_type(is_input ? "an input port" : "an output port", v);
    if (!p->is_open)
        raise_error("%s: the port is closed", interp.current->name);
    return p;
}

static void flush(port *p)
{
    if (p->fd >= 0 && !write_out(p))
        raise_error("%s: cannot write: %s", interp.current ? interp.current->name : "output",
                    strerror(errno));
}

bool flush_output(void)
{
    return !standard_output || write_out(standard_output); /* NULL: it failed while starting */
}

void show(value v)
{
    print(&standard_output->buffer, v, true);
    text_add_char(&standard_output->buffer, '\n');
    flush(standard_output);
}

static value p_get_string(int argc, value *argv)
{
    (void)argc;
    return text_to_string(&to_port(argv[0], false)->buffer);
}

static value p_close(int argc, value *argv)
{
    (void)argc;
    port *p = (port *)argv[0];
    if (!is_type(argv[0], T_PORT))
        raise_type("a port", argv[0]);
    if (!p->is_open)
        return UNSPECIFIED;
    if (!p->is_input)
        flush(p);
    p->is_open = false;
    if (p->fd >= 0) {
        kgc_register_finalizer(p, NULL, NULL, KGC_FINALIZE_NORMAL, NULL, NULL);
        close(p->fd);
    }
    return UNSPECIFIED;
}

/* Reads more into the buffer; false at the end of the file. */
static bool fill(port *p)
{
    if (p->fd < 0)
        return false;
    text rest = {.length = p->buffer.length - p->at};
    rest.capacity = rest.length * 2 + BUFFER;
    rest.bytes = new_atomic(rest.capacity);
    if (rest.length)
        memcpy(rest.bytes, p->buffer.bytes + p->at, rest.length);
    ssize_t n;
    do
        n = read(p->fd, rest.bytes + rest.length, rest.capacity - rest.length);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        raise_error("%s: cannot read: %s", interp.current->name, strerror(errno));
    rest.length += (size_t)n;
    p->buffer = rest;
    p->at = 0;
    return n > 0;
}

/* What is in the buffer and not read yet. */
static const char *unread(const port *p)
{
    return p->buffer.bytes ? p->buffer.bytes + p->at : "";
}

static value p_read_char(int argc, value *argv)
{
    (void)argc;
    port *p = to_port(argv[0], true);
    if (p->at == p->buffer.length && !fill(p))
        return END_OF_FILE;
    return character((unsigned char)p->buffer.bytes[p->at++]);
}

static value p_peek_char(int argc, value *argv)
{
    (void)argc;
    port *p = to_port(argv[0], true);
    if (p->at == p->buffer.length && !fill(p))
        return END_OF_FILE;
    return character((unsigned char)p->buffer.bytes[p->at]);
}

/* Without its newline. */
static value p_read_line(int argc, value *argv)
{
    (void)argc;
    port *p = to_port(argv[0], true);
    size_t seen = 0; /* bytes behind at that hold no newline */
    for (;;) {
        size_t left = p->buffer.length - p->at;
        const char *start = unread(p), *end = NULL;
        if (left > seen)
            end = memchr(start + seen, '\n', left - seen);
        if (end) {
            p->at += (size_t)(end - start) + 1;
            return new_string(start, (size_t)(end - start));
        }
        seen = left;
        if (!fill(p)) {
            if (left == 0)
                return END_OF_FILE;
            start = unread(p);
            p->at = p->buffer.length;
            return new_string(start, left);
        }
    }
}

static value p_read_all(int argc, value *argv)
{
    (void)argc;
    port *p = to_port(argv[0], true);
    while (fill(p))
        ;
    value s = new_string(unread(p), p->buffer.length - p->at);
    p->at = p->buffer.length;
    return s;
}

static value p_read(int argc, value *argv)
{
    (void)argc;
    port *p = to_port(argv[0], true);
    while (fill(p))
        ;
    const char *start = unread(p);
    reader r = {start, start + (p->buffer.length - p->at), "port", p->line, FALSE, false};
    value v = read_datum(&r);
    p->at += (size_t)(r.at - start);
    p->line = r.line;
    return v;
}

value read_whole_file(const char *path)
{
    text t = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *chunk = new_atomic(BUFFER);
    ssize_t n = fd < 0 ? -1 : 0;
    while (fd >= 0 && (n = read(fd, chunk, BUFFER)) > 0)
        text_add(&t, chunk, (size_t)n);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (n < 0)
        raise_error("%s: %s", path, strerror(error));
    return text_to_string(&t);
}

static port *output(int argc, value *argv, int place)
{
    return argc > place ? to_port(argv[place], false) : standard_output;
}

static value done(port *p)
{
    if (p->fd >= 0 && p->buffer.length >= BUFFER)
        flush(p);
    return UNSPECIFIED;
}

static value p_display(int argc, value *argv)
{
    port *p = output(argc, argv, 1);
    print(&p->buffer, argv[0], false);
    return done(p);
}

static value p_write(int argc, value *argv)
{
    port *p = output(argc, argv, 1);
    print(&p->buffer, argv[0], true);
    return done(p);
}

static value p_write_string(int argc, value *argv)
{
    port *p = output(argc, argv, 1);
    text_add(&p->buffer, to_string(argv[0])->bytes, string_of(argv[0])->length);
    return done(p);
}

static value p_write_char(int argc, value *argv)
{
    port *p = output(argc, argv, 1);
    text_add_char(&p->buffer, (char)to_character(argv[0]));
    return done(p);
}

static value p_newline(int argc, value *argv)
{
    port *p = output(argc, argv, 0);
    text_add_char(&p->buffer, '\n');
    return done(p);
}

static value p_flush(int argc, value *argv)
{
    flush(output(argc, argv, 0));
    return UNSPECIFIED;
}

static value p_file_exists(int argc, value *argv)
{
    (void)argc;
    return boolean(access(to_string(argv[0])->bytes, F_OK) == 0);
}

static value p_delete_file(int argc, value *argv)
{
    (void)argc;
    if (unlink(to_string(argv[0])->bytes))
        raise_error("delete-file: %s: %s", string_of(argv[0])->bytes, strerror(errno));
    return UNSPECIFIED;
}

/* A new empty file in $TMPDIR: its name */
static value p_temporary_file(int argc, value *argv)
{
    (void)argc, (void)argv;
    text t = {0};
    const char *directory = getenv("TMPDIR");
    text_add_string(&t, directory && *directory ? directory : "/var/tmp");
    text_add_string(&t, "/lisp-XXXXXX");
    value name = text_to_string(&t);
    int fd = mkstemp(string_of(name)->bytes);
    if (fd < 0)
        raise_error("temporary-file: %s: %s", string_of(name)->bytes, strerror(errno));
    close(fd);
    return name;
}

void lib_port_init(void)
{
    static const definition list[] = {
        {"open-input-file", 1, 1, p_open_input},
        {"open-output-file", 1, 1, p_open_output},
        {"open-input-string", 1, 1, p_open_input_string},
        {"open-output-string", 0, 0, p_open_output_string},
        {"get-output-string", 1, 1, p_get_string},
        {"close-port", 1, 1, p_close},
        {"read-char", 1, 1, p_read_char},
        {"peek-char", 1, 1, p_peek_char},
        {"read-line", 1, 1, p_read_line},
        {"read-all", 1, 1, p_read_all},
        {"read", 1, 1, p_read},
        {"display", 1, 2, p_display},
        {"write", 1, 2, p_write},
        {"write-string", 1, 2, p_write_string},
        {"write-char", 1, 2, p_write_char},
        {"newline", 0, 1, p_newline},
        {"flush-output", 0, 1, p_flush},
        {"file-exists?", 1, 1, p_file_exists},
        {"delete-file", 1, 1, p_delete_file},
        {"temporary-file", 0, 0, p_temporary_file},
    };
    DEFINE_ALL(list);
    standard_output = new_port(STDOUT_FILENO, false);
}
