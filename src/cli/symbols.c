/* SPDX-License-Identifier: MIT */
/* Names by elfutils: see symbols.h. */
#include "cli/symbols.h"
#include "cli/cli.h"
#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is known of an address. */
struct known {
    uint64_t address;
    bool briefly;
    struct cli_frame *frames; /* NULL: this place is free */
    size_t count;
};

struct cli_module {
    Dwfl *session;
    Dwfl_Module *module; /* NULL: no names */
    char *problem;
    struct known *known; /* a hash table of a power of two */
    size_t places, used;
};

/* ---- C++ ---- */

/* Demangling is the C++ library's: it is there where C++ programs run. */
static char *demangle(const char *name)
{
    typedef char *function(const char *, char *, size_t *, int *);
    static function *demangler;
    static bool looked_for;
    int status;
    if (name[0] != '_' || name[1] != 'Z')
        return NULL;
    if (!looked_for) {
        static const char *const libraries[] = {"libstdc++.so.6", "libc++abi.so.1"};
        for (size_t i = 0; demangler == NULL && i < sizeof libraries / sizeof libraries[0]; i++) {
            void *library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
            if (library != NULL)
                demangler = (function *)dlsym(library, "__cxa_demangle");
        }
        looked_for = true;
    }
    return demangler != NULL ? demangler(name, NULL, NULL, &status) : NULL;
}

static char *readable(const char *name)
{
    char *text = name != NULL ? demangle(name) : NULL;
    return text != NULL || name == NULL ? text : cli_format("%s", name);
}

/* ---- modules ---- */

static int find_no_file(Dwfl_Module *m, void **user, const char *name, Dwarf_Addr base, char **file,
                        Elf **elf)
{
    (void)m, (void)user, (void)name, (void)base, (void)file, (void)elf;
    return -1;
}

/* Is the debugging information in a file beside this one, or where systems keep it? */
static bool has_debug_file(const char *file, const char *link)
{
    static const char *const places[] = {"%.*s/%s", "%.*s/.debug/%s", "/usr/lib/debug%.*s/%s"};
    const char *slash = strrchr(file, '/');
    bool found = false;
    if (slash == NULL)
        return false;
    char *name = link != NULL ? cli_format("%s", link) : cli_format("%s.debug", slash + 1);
    for (size_t i = 0; i < sizeof places / sizeof places[0] && !found; i++) {
        char *path = cli_format(places[i], (int)(slash - file), file, name);
        found = access(path, R_OK) == 0;
        free(path);
    }
    free(name);
    return found;
}

/* As elfutils searches, but never by debuginfod: a program that ends must not
   wait for a download, and loading the client alone takes 15 ms. */
static int find_debuginfo(Dwfl_Module *m, void **user, const char *name, Dwarf_Addr base, const char *file,
                          const char *link, GElf_Word sum, char **found)
{
    const unsigned char *bits;
    GElf_Addr at;
    if (file != NULL && dwfl_module_build_id(m, &bits, &at) > 0) {
        int fd = dwfl_build_id_find_debuginfo(m, user, name, base, file, link, sum, found);
        char *real = realpath(file, NULL);
        bool more = fd < 0 && (has_debug_file(file, link) || (real != NULL && has_debug_file(real, link)));
        free(real);
        if (!more)
            return fd;
    }
    unsetenv("DEBUGINFOD_URLS"); /* should the file be another one's */
    return dwfl_standard_find_debuginfo(m, user, name, base, file, link, sum, found);
}

static const char *id_text(Dwfl_Module *m, char text[128])
{
    const unsigned char *bits;
    GElf_Addr at;
    int n = dwfl_module_build_id(m, &bits, &at);
    *text = '\0';
    for (int i = 0; i < n && i < 63; i++)
        snprintf(text + 2 * i, 3, "%02x", bits[i]);
    return text;
}

struct cli_module *cli_module_open(const char *path, const char *build_id)
{
    static const Dwfl_Callbacks callbacks = {.find_elf = find_no_file,
                                             .find_debuginfo = find_debuginfo,
                                             .section_address = dwfl_offline_section_address};
    struct cli_module *m = cli_allocate(sizeof *m);
    char id[128];
    m->session = dwfl_begin(&callbacks);
    if (m->session == NULL)
        exit(cli_fail(CLI_FAILED, "out of memory"));
    struct stat status;
    if (access(path, R_OK) != 0 || stat(path, &status) != 0) {
        if (strncmp(path, "linux-vdso", 10) != 0)
            m->problem = cli_format("%s: %m", path);
        return m;
    }
    if (!S_ISREG(status.st_mode)) { /* opening it might wait for ever */
        m->problem = cli_format("%s: not a file", path);
        return m;
    }
    /* At the file's own addresses. */
    m->module = dwfl_report_elf(m->session, path, path, -1, 0, true);
    if (m->module == NULL)
        m->problem = cli_format("%s: %s", path, dwfl_errmsg(-1));
    dwfl_report_end(m->session, NULL, NULL);
    if (m->module != NULL && *build_id != '\0' &&
        strncmp(id_text(m->module, id), build_id, strlen(build_id)) != 0) {
        m->problem = cli_format("%s: not the file that ran: its build id is %s, not %s", path,
                                *id != '\0' ? id : "missing", build_id);
        m->module = NULL;
    }
    return m;
}

const char *cli_module_problem(const struct cli_module *m)
{
    return m->problem;
}

static void free_frames(struct cli_frame *frames, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(frames[i].function);
        free(frames[i].file);
    }
    free(frames);
}

void cli_module_close(struct cli_module *m)
{
    for (size_t i = 0; i < m->places; i++)
        free_frames(m->known[i].frames, m->known[i].count);
    free(m->known);
    free(m->problem);
    dwfl_end(m->session);
    free(m);
}

/* ---- debugging information ---- */

struct frames {
    struct cli_frame *list;
    size_t count;
};

static struct cli_frame *add(struct frames *f)
{
    struct cli_frame *list = realloc(f->list, (f->count + 1) * sizeof *list);
    if (list == NULL)
        exit(cli_fail(CLI_FAILED, "out of memory"));
    f->list = list;
    list[f->count] = (struct cli_frame){.line = 0};
    return &list[f->count++];
}

/* The compilation unit of an address, relative to *bias. */
static Dwarf_Die *find_unit(Dwfl_Module *m, Dwarf_Addr address, Dwarf_Addr *bias)
{
    Dwarf_Die *unit = dwfl_module_addrdie(m, address, bias);
    if (unit != NULL || dwfl_module_getdwarf(m, bias) == NULL)
        return unit;
    /* Not every compiler writes .debug_aranges. */
    while ((unit = dwfl_module_nextcu(m, unit, bias)) != NULL)
        if (dwarf_haspc(unit, address - *bias) > 0)
            return unit;
    return NULL;
}

static const char *name_of(Dwarf_Die *die)
{
    Dwarf_Attribute memory;
    Dwarf_Attribute *name = dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &memory);
    if (name == NULL)
        name = dwarf_attr_integrate(die, DW_AT_linkage_name, &memory);
    if (name == NULL)
        name = dwarf_attr_integrate(die, DW_AT_name, &memory);
    return name != NULL ? dwarf_formstring(name) : NULL;
}

static Dwarf_Word number_of(Dwarf_Die *die, unsigned attribute)
{
    Dwarf_Attribute memory;
    Dwarf_Word value = 0;
    if (dwarf_formudata(dwarf_attr(die, attribute, &memory), &value) != 0)
        return 0;
    return value;
}

/* Where an inlined function was called. */
static void find_call(Dwarf_Die *inlined, const char **file, int *line)
{
    Dwarf_Die unit;
    Dwarf_Files *files;
    size_t count;
    Dwarf_Word index = number_of(inlined, DW_AT_call_file);
    *line = (int)number_of(inlined, DW_AT_call_line);
    *file = NULL;
    if (index != 0 && dwarf_diecu(inlined, &unit, NULL, NULL) != NULL &&
        dwarf_getsrcfiles(&unit, &files, &count) == 0 && index < count)
        *file = dwarf_filesrc(files, index, NULL, NULL);
}

/* The scopes of an address as they are nested in the code, where inlined
   functions lie in their callers. */
static int find_scopes(Dwarf_Die *unit, Dwarf_Addr address, Dwarf_Die **scopes)
{
    Dwarf_Die *found, innermost;
    int n = dwarf_getscopes(unit, address, &found);
    if (n <= 0)
        return 0;
    innermost = found[0];
    free(found);
    return dwarf_getscopes_die(&innermost, scopes);
}

static void add_functions(struct frames *f, Dwfl_Module *m, Dwarf_Addr address)
{
    Dwarf_Addr bias;
    Dwarf_Die *unit = find_unit(m, address, &bias), *scopes;
    if (unit == NULL)
        return;
    Dwarf_Line *at = dwarf_getsrc_die(unit, address - bias);
    const char *file = at != NULL ? dwarf_linesrc(at, NULL, NULL) : NULL;
    int line = 0, n = find_scopes(unit, address - bias, &scopes);
    if (at != NULL)
        dwarf_lineno(at, &line);
    for (int i = 0; i < n; i++) {
        int tag = dwarf_tag(&scopes[i]);
        bool inlined = tag == DW_TAG_inlined_subroutine;
        if (!inlined && tag != DW_TAG_subprogram)
            continue;
        struct cli_frame *frame = add(f);
        frame->function = readable(name_of(&scopes[i]));
        frame->file = file != NULL ? cli_format("%s", file) : NULL;
        frame->line = line;
        frame->inlined = inlined;
        if (!inlined)
            break;
        find_call(&scopes[i], &file, &line);
    }
    if (n > 0)
        free(scopes);
    if (f->count == 0 && file != NULL) { /* assembly: lines, but no functions */
        struct cli_frame *frame = add(f);
        frame->function = readable(dwfl_module_addrname(m, address));
        frame->file = cli_format("%s", file);
        frame->line = line;
    }
}

static void add_symbol(struct frames *f, Dwfl_Module *m, Dwarf_Addr address)
{
    GElf_Off offset;
    GElf_Sym symbol;
    struct cli_frame *frame = add(f);
    const char *name =
        m != NULL ? dwfl_module_addrinfo(m, address, &offset, &symbol, NULL, NULL, NULL) : NULL;
    if (name == NULL)
        return;
    char *bare = cli_format("%.*s", (int)strcspn(name, "@"), name); /* without its version */
    frame->function = readable(bare);
    frame->offset = offset;
    free(bare);
}

/* ---- addresses ---- */

static struct known *place_of(const struct cli_module *m, uint64_t address, bool briefly)
{
    size_t i = (size_t)(address * 0x9e3779b97f4a7c15 >> 20) & (m->places - 1);
    while (m->known[i].frames != NULL && (m->known[i].address != address || m->known[i].briefly != briefly))
        i = (i + 1) & (m->places - 1);
    return &m->known[i];
}

static void make_room(struct cli_module *m)
{
    if (2 * m->used < m->places)
        return;
    struct cli_module larger = *m;
    larger.places = m->places != 0 ? 2 * m->places : 64;
    larger.known = cli_allocate(larger.places * sizeof *larger.known);
    for (size_t i = 0; i < m->places; i++)
        if (m->known[i].frames != NULL)
            *place_of(&larger, m->known[i].address, m->known[i].briefly) = m->known[i];
    free(m->known);
    *m = larger;
}

const struct cli_frame *cli_module_frames(struct cli_module *m, uint64_t address, bool briefly, size_t *count)
{
    make_room(m);
    struct known *k = place_of(m, address, briefly);
    if (k->frames == NULL) {
        struct frames f = {.count = 0};
        if (m->module != NULL && !briefly)
            add_functions(&f, m->module, address);
        if (f.count == 0)
            add_symbol(&f, m->module, address);
        *k = (struct known){address, briefly, f.list, f.count};
        m->used++;
    }
    *count = k->count;
    return k->frames;
}
