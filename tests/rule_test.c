/* SPDX-License-Identifier: MIT */
/* The rules that are read from .eh_frame, against those that elfutils reads. */
#include "leak/rule.h"
#include "suite.h"
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined __x86_64__
enum { REG_FP = 6, REG_SP = 7, REG_RA = 16 };
#elif defined __aarch64__
enum { REG_FP = 29, REG_SP = 31, REG_RA = 30 };
#endif

/* "sp+8", "*(fp-16)+8", "cfa-8", "same" or "?". */
struct text {
    char s[64];
};

static const char *base_name(uint64_t reg)
{
    return reg == REG_SP ? "sp" : reg == REG_FP ? "fp" : NULL;
}

static struct text of_ops(const Dwarf_Op *ops, size_t n)
{
    struct text t = {"?"};
    const char *base = NULL;
    long long offset = 0, plus = 0;
    size_t i = 1;
    if (n == 0)
        return t;
    if (ops[0].atom == DW_OP_bregx)
        base = base_name(ops[0].number), offset = (long long)ops[0].number2;
    else if (ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg31)
        base = base_name(ops[0].atom - DW_OP_breg0), offset = (long long)ops[0].number;
    else if (ops[0].atom == DW_OP_call_frame_cfa)
        base = "cfa";
    for (; i < n && ops[i].atom == DW_OP_plus_uconst; i++)
        offset += (long long)ops[i].number;
    if (base == NULL)
        return t;
    if (i < n && ops[i].atom == DW_OP_deref) {
        for (i++; i < n && ops[i].atom == DW_OP_plus_uconst; i++)
            plus += (long long)ops[i].number;
        if (i == n)
            snprintf(t.s, sizeof t.s, "*(%s%+lld)%+lld", base, offset, plus);
    } else if (i == n) {
        snprintf(t.s, sizeof t.s, "%s%+lld", base, offset);
    }
    return t;
}

static struct text of_register(Dwarf_Frame *frame, int number)
{
    Dwarf_Op memory[3], *ops;
    size_t n;
    struct text t = {"?"};
    if (dwarf_frame_register(frame, number, memory, &ops, &n) != 0 || (n == 0 && ops == memory))
        return t;
    if (n == 0)
        return (struct text){"same"};
    /* "DW_OP_stack_value": a value and not a place. */
    return ops[n - 1].atom == DW_OP_stack_value ? t : of_ops(ops, n);
}

static struct text of_place(unsigned base, int offset)
{
    static const char *const names[] = {
        [KGC__BASE_SP] = "sp", [KGC__BASE_FP] = "fp", [KGC__BASE_CFA] = "cfa"};
    struct text t = {"?"};
    if (base == KGC__BASE_NONE)
        return (struct text){"same"};
    if (base != KGC__BASE_UNKNOWN)
        snprintf(t.s, sizeof t.s, "%s%+d", names[base], offset);
    return t;
}

static struct text of_rule(const struct kgc__rule *r)
{
    struct text t = of_place(r->cfa_base, r->cfa_offset), all;
    if (!r->indirect)
        return t;
    snprintf(all.s, sizeof all.s, "*(%.30s)%+d", t.s, r->plus);
    return all;
}

struct counts {
    unsigned compared, none, skipped;
};

static void compare(Dwarf_CFI *cfi, const struct kgc__object *object, uintptr_t pc, struct counts *c)
{
    Dwarf_Frame *frame = NULL;
    struct kgc__rule rule;
    bool ours = kgc__rule_find(pc, object, &rule);
    Dwarf_Op *ops;
    size_t n;
    if (dwarf_cfi_addrframe(cfi, pc - object->bias, &frame) != 0) {
        ck_assert_msg(!ours, "%s+%#lx has a rule, elfutils has none", object->name,
                      (unsigned long)(pc - object->bias));
        c->none++;
        return;
    }
    ck_assert_int_eq(dwarf_frame_cfa(frame, &ops, &n), 0);
    struct text cfa = of_ops(ops, n), ra = of_register(frame, REG_RA), fp = of_register(frame, REG_FP);
    bool signal;
    dwarf_frame_info(frame, NULL, NULL, &signal);
    if (cfa.s[0] == '?' || ra.s[0] == '?') {
        ck_assert_msg(!ours, "%s+%#lx: a rule where there is none", object->name,
                      (unsigned long)(pc - object->bias));
        c->skipped++;
    } else {
        ck_assert_msg(ours, "%s+%#lx has no rule; CFA %s, return %s", object->name,
                      (unsigned long)(pc - object->bias), cfa.s, ra.s);
        ck_assert_str_eq(of_rule(&rule).s, cfa.s);
        ck_assert_str_eq(of_place(rule.return_base, rule.return_offset).s, ra.s);
        ck_assert_str_eq(of_place(rule.fp_base, rule.fp_offset).s, fp.s);
        ck_assert_int_eq(rule.signal, signal);
        c->compared++;
    }
    free(frame);
}

static int text_of(struct dl_phdr_info *info, size_t size, void *arg)
{
    const struct kgc__object *o = ((void **)arg)[0];
    uintptr_t *range = ((void **)arg)[1];
    (void)size;
    if (info->dlpi_addr != o->bias)
        return 0;
    for (unsigned i = 0; i < info->dlpi_phnum; i++)
        if ((info->dlpi_phdr[i].p_flags & PF_X) != 0 && info->dlpi_phdr[i].p_type == PT_LOAD) {
            range[0] = o->bias + info->dlpi_phdr[i].p_vaddr;
            range[1] = range[0] + info->dlpi_phdr[i].p_memsz;
        }
    return 1;
}

static struct counts compare_object(const void *inside)
{
    struct kgc__object object;
    struct counts c = {0};
    uintptr_t range[2] = {0, 0};
    ck_assert(kgc__object_find((uintptr_t)inside, &object));
    dl_iterate_phdr(text_of, (void *[]){&object, range});
    ck_assert_uint_ne(range[1], 0);
    const char *path = object.name[0] != '\0' ? object.name : "/proc/self/exe";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    Dwarf_CFI *cfi = dwarf_getcfi_elf(elf);
    ck_assert_msg(cfi != NULL, "%s: %s", path, dwarf_errmsg(-1));
    uint64_t x = 88172645463325252;
    for (unsigned i = 0; i < 20000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        compare(cfi, &object, range[0] + x % (range[1] - range[0]), &c);
    }
    dwarf_cfi_end(cfi);
    elf_end(elf);
    close(fd);
    return c;
}

START_TEST(c_library)
{
    struct counts c = compare_object((const void *)strtoul);
    ck_assert_msg(c.compared > 15000, "%u compared, %u without a rule, %u that cannot be followed",
                  c.compared, c.none, c.skipped);
}
END_TEST

START_TEST(this_program)
{
    struct counts c = compare_object((const void *)kgc__rule_find);
    ck_assert_uint_gt(c.compared, 10000);
}
END_TEST

START_TEST(another_library)
{
    struct counts c = compare_object((const void *)dwarf_getcfi_elf);
    ck_assert_uint_gt(c.compared, 15000);
}
END_TEST

START_TEST(no_object)
{
    struct kgc__object object;
    int here;
    ck_assert(!kgc__object_find((uintptr_t)&here, &object));
    ck_assert(!kgc__object_find(0, &object));
    ck_assert(!kgc__object_find(UINTPTR_MAX, &object));
}
END_TEST

SUITE("rule", c_library, this_program, another_library, no_object)
