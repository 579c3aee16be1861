/* SPDX-License-Identifier: MIT */
/*
 * Lua 5.4 whose memory comes from a kind: lua_newstate() takes a function that
 * allocates, resizes and frees, and the old size of each block with it, which
 * is what an allocator of kindgc/layout.h wants to know.
 *
 * usage: lua_on_kind KIND SCRIPT [ARGUMENT...]
 *
 * KIND is a specification such as "thp" or "default,limit=16M" (kindgc(7)).
 * Scripts have a function more, kind(), which returns the kind's name and how
 * many bytes Lua has of it.
 */
#include <kindgc.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>

/* Lua aligns nothing to more than this. */
#define LAYOUT(size) ((kgc_layout){size, _Alignof(max_align_t)})

struct memory {
    kgc_allocator allocator;
    kgc_kind *kind;
    size_t used, most; /* bytes */
};

/* A lua_Alloc.  old_size says a type, and no size, when there is no block yet. */
static void *allocate(void *arg, void *p, size_t old_size, size_t new_size)
{
    struct memory *m = arg;
    const kgc_allocator *a = &m->allocator;
    if (p == NULL)
        old_size = 0;
    void *q = NULL;
    if (new_size == 0)
        kgc_allocator_dealloc(a, p, LAYOUT(old_size));
    else if (p == NULL)
        q = kgc_allocator_alloc(a, LAYOUT(new_size));
    else
        q = kgc_allocator_resize(a, p, LAYOUT(old_size), new_size);
    if (q != NULL || new_size == 0)
        m->used += new_size - old_size;
    if (m->used > m->most)
        m->most = m->used;
    return q;
}

static int kind(lua_State *lua)
{
    void *arg;
    lua_getallocf(lua, &arg);
    const struct memory *m = arg;
    /* Where does a piece of Lua's memory lie? */
    const kgc_kind *found = kgc_kind_of(lua_newuserdatauv(lua, 100, 0));
    lua_pushstring(lua, found != NULL ? kgc_kind_name(found) : "none");
    lua_pushinteger(lua, (lua_Integer)m->used);
    return 2;
}

static int run(lua_State *lua, char **argv)
{
    luaL_openlibs(lua);
    lua_register(lua, "kind", kind);
    if (luaL_loadfile(lua, argv[0]) != LUA_OK)
        return 1;
    int count = 0;
    for (char **word = argv + 1; *word != NULL; word++, count++)
        lua_pushstring(lua, *word);
    return lua_pcall(lua, count, 0, 0) != LUA_OK;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: lua_on_kind KIND SCRIPT [ARGUMENT...]\n");
        return 2;
    }
    struct memory memory = {.used = 0};
    if (kgc_kind_open(argv[1], &memory.kind) != 0) {
        fprintf(stderr, "lua_on_kind: %s\n", kgc_last_error());
        return 1;
    }
    memory.allocator = kgc_allocator_of_kind(memory.kind);
    lua_State *lua = lua_newstate(allocate, &memory);
    if (lua == NULL) {
        fprintf(stderr, "lua_on_kind: no memory for Lua: %s\n", kgc_last_error());
        return 1;
    }
    int failed = run(lua, argv + 2);
    if (failed)
        fprintf(stderr, "lua_on_kind: %s\n", lua_tostring(lua, -1));
    lua_close(lua);
    if (memory.used != 0 || kgc_kind_close(memory.kind) != 0) {
        fprintf(stderr, "lua_on_kind: %zu bytes are left: %s\n", memory.used, kgc_last_error());
        return 1;
    }
    fprintf(stderr, "lua_on_kind: at most %zu KiB of %s\n", memory.most / 1024, argv[1]);
    return failed;
}
