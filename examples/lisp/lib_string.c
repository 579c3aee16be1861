/* SPDX-License-Identifier: MIT */
/* Strings, which do not change once made, symbols and characters. */
#include "lib.h"
#include "text.h"
#include <ctype.h>
#include <string.h>

string *to_string(value v)
{
    if (!is_type(v, T_STRING))
        raise_type("a string", v);
    return string_of(v);
}

symbol *to_symbol(value v)
{
    if (!is_type(v, T_SYMBOL))
        raise_type("a symbol", v);
    return symbol_of(v);
}

unsigned char to_character(value v)
{
    if (!is_char(v))
        raise_type("a character", v);
    return character_value(v);
}

static value p_length(int argc, value *argv)
{
    (void)argc;
    return fixnum((intptr_t)to_string(argv[0])->length);
}

static value p_ref(int argc, value *argv)
{
    (void)argc;
    const string *s = to_string(argv[0]);
    intptr_t i = to_integer(argv[1]);
    if (i < 0 || (size_t)i >= s->length)
        raise_error("%s: index %ld is not in a string of %zu", interp.current->name, (long)i, s->length);
    return character((unsigned char)s->bytes[i]);
}

static value p_substring(int argc, value *argv)
{
    const string *s = to_string(argv[0]);
    size_t from = to_index(argv[1], s->length), end = argc == 3 ? to_index(argv[2], s->length) : s->length;
    if (from > end)
        raise_error("%s: the start %zu is behind the end %zu", interp.current->name, from, end);
    return new_string(s->bytes + from, end - from);
}

static value p_append(int argc, value *argv)
{
    size_t length = 0;
    for (int i = 0; i < argc; i++)
        length += to_string(argv[i])->length;
    value result = new_string(NULL, length);
    char *to = string_of(result)->bytes;
    for (int i = 0; i < argc; i++) {
        memcpy(to, string_of(argv[i])->bytes, string_of(argv[i])->length);
        to += string_of(argv[i])->length;
    }
    return result;
}

static value p_make(int argc, value *argv)
{
    size_t n = to_index(argv[0], FIXNUM_MAX);
    unsigned char c = argc == 2 ? to_character(argv[1]) : ' ';
    value s = new_string(NULL, n);
    memset(string_of(s)->bytes, c, n);
    return s;
}

static value map_bytes(value v, int (*change)(int))
{
    const string *s = to_string(v);
    value result = new_string(s->bytes, s->length);
    for (size_t i = 0; i < s->length; i++)
        string_of(result)->bytes[i] = (char)change((unsigned char)s->bytes[i]);
    return result;
}

static value p_upcase(int argc, value *argv)
{
    (void)argc;
    return map_bytes(argv[0], toupper);
}

static value p_downcase(int argc, value *argv)
{
    (void)argc;
    return map_bytes(argv[0], tolower);
}

/* (string-search string pattern [from]): an index or #f */
static value p_search(int argc, value *argv)
{
    const string *s = to_string(argv[0]), *pattern = to_string(argv[1]);
    size_t from = argc == 3 ? to_index(argv[2], s->length) : 0;
    const char *found = memmem(s->bytes + from, s->length - from, pattern->bytes, pattern->length);
    return found ? fixnum(found - s->bytes) : FALSE;
}

/* (string-split string [character]): at each character, or at runs of white space */
static value p_split(int argc, value *argv)
{
    const string *s = to_string(argv[0]);
    value parts = NIL;
    size_t start = 0;
    if (argc == 2) {
        char at = (char)to_character(argv[1]);
        for (size_t i = 0; i < s->length; i++)
            if (s->bytes[i] == at) {
                parts = cons(new_string(s->bytes + start, i - start), parts);
                start = i + 1;
            }
        return list_reverse(cons(new_string(s->bytes + start, s->length - start), parts));
    }
    for (size_t i = 0; i <= s->length; i++)
        if (i == s->length || isspace((unsigned char)s->bytes[i])) {
            if (i > start)
                parts = cons(new_string(s->bytes + start, i - start), parts);
            start = i + 1;
        }
    return list_reverse(parts);
}

/* (string-join list [separator]) */
static value p_join(int argc, value *argv)
{
    text t = {0};
    to_list(argv[0]);
    for (value l = argv[0]; is_pair(l); l = tail(l)) {
        const string *s = to_string(head(l));
        text_add(&t, s->bytes, s->length);
        if (argc == 2 && is_pair(tail(l)))
            text_add(&t, to_string(argv[1])->bytes, to_string(argv[1])->length);
    }
    return text_to_string(&t);
}

static value p_trim(int argc, value *argv)
{
    (void)argc;
    const string *s = to_string(argv[0]);
    size_t from = 0, end = s->length;
    while (from < end && isspace((unsigned char)s->bytes[from]))
        from++;
    while (end > from && isspace((unsigned char)s->bytes[end - 1]))
        end--;
    return new_string(s->bytes + from, end - from);
}

/* (string-pad string width): to the right of its text; (string-pad-left ...): to the left */
static value pad(value v, value width, bool is_left)
{
    const string *s = to_string(v);
    size_t n = to_index(width, FIXNUM_MAX);
    if (n <= s->length)
        return v;
    value result = new_string(NULL, n);
    memset(string_of(result)->bytes, ' ', n);
    memcpy(string_of(result)->bytes + (is_left ? n - s->length : 0), s->bytes, s->length);
    return result;
}

static value p_pad(int argc, value *argv)
{
    (void)argc;
    return pad(argv[0], argv[1], false);
}

static value p_pad_left(int argc, value *argv)
{
    (void)argc;
    return pad(argv[0], argv[1], true);
}

static int compare(value a, value b)
{
    const string *s = to_string(a), *t = to_string(b);
    int c = memcmp(s->bytes, t->bytes, s->length < t->length ? s->length : t->length);
    return c ? c : (s->length > t->length) - (s->length < t->length);
}

static value p_is_less(int argc, value *argv)
{
    (void)argc;
    return boolean(compare(argv[0], argv[1]) < 0);
}

static value p_is_same(int argc, value *argv)
{
    (void)argc;
    return boolean(compare(argv[0], argv[1]) == 0);
}

static value p_to_list(int argc, value *argv)
{
    (void)argc;
    const string *s = to_string(argv[0]);
    value list = NIL;
    for (size_t i = s->length; i > 0; i--)
        list = cons(character((unsigned char)s->bytes[i - 1]), list);
    return list;
}

static value p_from_list(int argc, value *argv)
{
    (void)argc;
    value result = new_string(NULL, (size_t)to_list(argv[0]));
    char *to = string_of(result)->bytes;
    for (value l = argv[0]; is_pair(l); l = tail(l))
        *to++ = (char)to_character(head(l));
    return result;
}

static value p_of_chars(int argc, value *argv)
{
    value result = new_string(NULL, (size_t)argc);
    for (int i = 0; i < argc; i++)
        string_of(result)->bytes[i] = (char)to_character(argv[i]);
    return result;
}

static value p_from_symbol(int argc, value *argv)
{
    (void)argc;
    return (value)to_symbol(argv[0])->name;
}

static value p_to_symbol(int argc, value *argv)
{
    (void)argc;
    return intern(to_string(argv[0])->bytes, string_of(argv[0])->length);
}

static value p_gensym(int argc, value *argv)
{
    (void)argc, (void)argv;
    return new_uninterned("g");
}

static value p_char_to_integer(int argc, value *argv)
{
    (void)argc;
    return fixnum(to_character(argv[0]));
}

static value p_integer_to_char(int argc, value *argv)
{
    (void)argc;
    return character((unsigned char)to_index(argv[0], 255));
}

static value p_char_upcase(int argc, value *argv)
{
    (void)argc;
    return character((unsigned char)toupper(to_character(argv[0])));
}

static value p_char_downcase(int argc, value *argv)
{
    (void)argc;
    return character((unsigned char)tolower(to_character(argv[0])));
}

#define CHARACTER(function, condition)           \
    static value function(int argc, value *argv) \
    {                                            \
        (void)argc;                              \
        unsigned char c = to_character(argv[0]); \
        return boolean(condition);               \
    }

CHARACTER(p_is_alphabetic, isalpha(c))
CHARACTER(p_is_numeric, isdigit(c))
CHARACTER(p_is_white, isspace(c))
CHARACTER(p_is_char_same, c == to_character(argv[1]))
CHARACTER(p_is_char_less, c < to_character(argv[1]))

void lib_string_init(void)
{
    static const definition list[] = {
        {"string-length", 1, 1, p_length},
        {"string-ref", 2, 2, p_ref},
        {"substring", 2, 3, p_substring},
        {"string-append", 0, -1, p_append},
        {"make-string", 1, 2, p_make},
        {"string-upcase", 1, 1, p_upcase},
        {"string-downcase", 1, 1, p_downcase},
        {"string-search", 2, 3, p_search},
        {"string-split", 1, 2, p_split},
        {"string-join", 1, 2, p_join},
        {"string-trim", 1, 1, p_trim},
        {"string-pad", 2, 2, p_pad},
        {"string-pad-left", 2, 2, p_pad_left},
        {"string<?", 2, 2, p_is_less},
        {"string=?", 2, 2, p_is_same},
        {"string->list", 1, 1, p_to_list},
        {"list->string", 1, 1, p_from_list},
        {"string", 0, -1, p_of_chars},
        {"symbol->string", 1, 1, p_from_symbol},
        {"string->symbol", 1, 1, p_to_symbol},
        {"gensym", 0, 0, p_gensym},
        {"char->integer", 1, 1, p_char_to_integer},
        {"integer->char", 1, 1, p_integer_to_char},
        {"char-upcase", 1, 1, p_char_upcase},
        {"char-downcase", 1, 1, p_char_downcase},
        {"char-alphabetic?", 1, 1, p_is_alphabetic},
        {"char-numeric?", 1, 1, p_is_numeric},
        {"char-whitespace?", 1, 1, p_is_white},
        {"char=?", 2, 2, p_is_char_same},
        {"char<?", 2, 2, p_is_char_less},
    };
    DEFINE_ALL(list);
}
