/* SPDX-License-Identifier: MIT */
/* The JSON writer: see json.h. */
#include "report/json.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What is nested deeper stays on its line, so that a list of sections is one line each. */
enum { LINE_DEPTH = 2 };

static void flush(struct kgc__json *j)
{
    for (size_t done = 0; done < j->used && j->error == 0;) {
        ssize_t k = write(j->fd, j->buffer + done, j->used - done);
        if (k >= 0)
            done += (size_t)k;
        else if (errno != EINTR)
            j->error = errno;
    }
    j->used = 0;
}

static void put(struct kgc__json *j, const char *text, size_t length)
{
    while (length != 0) {
        if (j->used == sizeof j->buffer)
            flush(j);
        size_t n = sizeof j->buffer - j->used < length ? sizeof j->buffer - j->used : length;
        memcpy(j->buffer + j->used, text, n);
        j->used += n;
        text += n;
        length -= n;
    }
}

static void put_string(struct kgc__json *j, const char *text)
{
    put(j, text, strlen(text));
}

static void put_line(struct kgc__json *j)
{
    put_string(j, "\n");
    for (unsigned i = 0; i < j->depth; i++)
        put_string(j, "  ");
}

/* Length of the UTF-8 sequence at s; 0 when it is none.  No overlong forms,
   no surrogates, nothing above U+10FFFF (RFC 3629). */
static size_t sequence_length(const unsigned char *s)
{
    size_t n = s[0] < 0x80                    ? 1
               : s[0] >= 0xc2 && s[0] <= 0xdf ? 2
               : (s[0] & 0xf0) == 0xe0        ? 3
               : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                              : 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

static void put_quoted(struct kgc__json *j, const char *text)
{
    put_string(j, "\"");
    for (const unsigned char *s = (const unsigned char *)text; *s != '\0';) {
        size_t n = sequence_length(s);
        if (n == 0) {
            put_string(j, "\xef\xbf\xbd");
            s++;
        } else if (*s < 0x20 || *s == '"' || *s == '\\') {
            char escape[8];
            snprintf(escape, sizeof escape, "\\u%04x", *s);
            put_string(j, escape);
            s++;
        } else {
            put(j, (const char *)s, n);
            s += n;
        }
    }
    put_string(j, "\"");
}

/* The comma, the place and the name of the next value. */
static void begin_value(struct kgc__json *j, const char *name)
{
    if (j->depth != 0) {
        uint64_t bit = (uint64_t)1 << (j->depth - 1);
        if ((j->filled & bit) != 0)
            put_string(j, ",");
        if (j->depth <= LINE_DEPTH)
            put_line(j);
        else if ((j->filled & bit) != 0)
            put_string(j, " ");
        j->filled |= bit;
    }
    if (name != NULL) {
        put_quoted(j, name);
        put_string(j, ": ");
    }
}

void kgc__json_start(struct kgc__json *j, int fd)
{
    j->fd = fd;
    j->error = 0;
    j->depth = 0;
    j->filled = 0;
    j->used = 0;
}

int kgc__json_finish(struct kgc__json *j)
{
    put_string(j, "\n");
    flush(j);
    return j->error;
}

void kgc__json_open(struct kgc__json *j, const char *name, char bracket)
{
    begin_value(j, name);
    put(j, &bracket, 1);
    j->depth++;
    j->filled &= ~((uint64_t)1 << (j->depth - 1));
}

void kgc__json_close(struct kgc__json *j, char bracket)
{
    j->depth--;
    if (j->depth < LINE_DEPTH && (j->filled >> j->depth & 1) != 0)
        put_line(j);
    put_string(j, bracket == '{' ? "}" : "]");
}

void kgc__json_null(struct kgc__json *j, const char *name)
{
    begin_value(j, name);
    put_string(j, "null");
}

void kgc__json_number(struct kgc__json *j, const char *name, uint64_t value)
{
    char text[24];
    begin_value(j, name);
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    put_string(j, text);
}

void kgc__json_seconds(struct kgc__json *j, const char *name, uint64_t microseconds)
{
    char text[32];
    begin_value(j, name);
    snprintf(text, sizeof text, "%llu.%06llu", (unsigned long long)(microseconds / 1000000),
             (unsigned long long)(microseconds % 1000000));
    put_string(j, text);
}

void kgc__json_text(struct kgc__json *j, const char *name, const char *text)
{
    begin_value(j, name);
    put_quoted(j, text);
}

void kgc__json_address(struct kgc__json *j, const char *name, const void *address)
{
    char text[24];
    begin_value(j, name);
    snprintf(text, sizeof text, "\"0x%llx\"", (unsigned long long)(uintptr_t)address);
    put_string(j, text);
}
