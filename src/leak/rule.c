/* SPDX-License-Identifier: MIT */
/*
 * Reads .eh_frame_hdr and .eh_frame (Linux Standard Base, "Exception Frames";
 * DWARF 5, section 6.4), of this process.
 */
#include "leak/rule.h"
#include <string.h>

#if defined __x86_64__
enum { REG_FP = 6, REG_SP = 7, REG_RA = 16 };
#elif defined __aarch64__
enum { REG_FP = 29, REG_SP = 31, REG_RA = 30 };
#endif

typedef const unsigned char *bytes;

struct reader {
    bytes p, end;
    bool bad;
};

static inline __attribute__((always_inline)) uint64_t take(struct reader *r, size_t n)
{
    uint64_t value = 0;
    if (r->bad || (size_t)(r->end - r->p) < n) {
        r->bad = true;
        return 0;
    }
    memcpy(&value, r->p, n); /* both architectures are little endian */
    r->p += n;
    return value;
}

static inline uint64_t take_uleb(struct reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint64_t byte = take(r, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return value;
    }
}

static int64_t take_sleb(struct reader *r)
{
    uint64_t value = 0;
    unsigned shift = 0;
    for (;;) {
        uint64_t byte = take(r, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        shift += 7;
        if ((byte & 0x80) == 0) {
            if (shift < 64 && (byte & 0x40) != 0)
                value |= ~(uint64_t)0 << shift;
            return (int64_t)value;
        }
    }
}

/* A pointer in one of the encodings DW_EH_PE_*; data: what "datarel" counts from. */
static uintptr_t take_encoded(struct reader *r, unsigned encoding, uintptr_t data)
{
    uintptr_t at = (uintptr_t)r->p, value;
    switch (encoding & 0x0f) {
    case 0x00:
        value = take(r, sizeof value);
        break;
    case 0x01:
        value = take_uleb(r);
        break;
    case 0x02:
        value = take(r, 2);
        break;
    case 0x03:
        value = take(r, 4);
        break;
    case 0x04:
    case 0x0c:
        value = take(r, 8);
        break;
    case 0x09:
        value = (uintptr_t)take_sleb(r);
        break;
    case 0x0a:
        value = (uintptr_t)(int16_t)take(r, 2);
        break;
    case 0x0b:
        value = (uintptr_t)(int32_t)take(r, 4);
        break;
    default:
        r->bad = true;
        return 0;
    }
    switch (encoding & 0x70) {
    case 0x00:
        break;
    case 0x10:
        value += at;
        break;
    case 0x30:
        value += data;
        break;
    default:
        r->bad = true;
    }
    return value;
}

/* Registers are followed by what the program says of them. */
struct saved {
    enum { SAME, AT_CFA, AT_EXPRESSION, UNDEFINED, OTHER } how;
    int64_t offset;
    struct reader expression;
};

struct row {
    uint64_t cfa_register; /* UINT64_MAX: the expression */
    int64_t cfa_offset;
    struct reader cfa_expression;
    struct saved fp, ra, other; /* other: those that are not followed */
};

struct entry { /* a CIE, and what the FDE adds */
    uint64_t code_unit, ra_register;
    int64_t data_unit;
    unsigned pointers; /* their encoding */
    bool augmented, signal;
    struct reader program;
};

/* The contents of the record at p, without its length; bounded by the object. */
static bool open_record(bytes p, bytes limit, struct reader *out)
{
    struct reader r = {p, limit, false};
    uint64_t length = take(&r, 4);
    if (length == 0xffffffff)
        length = take(&r, 8);
    if (r.bad || length == 0 || length > (size_t)(limit - r.p))
        return false;
    *out = (struct reader){r.p, r.p + length, false};
    return true;
}

static bool read_cie(bytes p, bytes limit, struct entry *out)
{
    struct reader r;
    if (!open_record(p, limit, &r) || take(&r, 4) != 0)
        return false;
    unsigned version = (unsigned)take(&r, 1);
    const char *augmentation = (const char *)r.p;
    while (take(&r, 1) != 0)
        ;
    *out = (struct entry){.code_unit = take_uleb(&r)};
    out->data_unit = take_sleb(&r);
    out->ra_register = version == 1 ? take(&r, 1) : take_uleb(&r);
    if (augmentation[0] == 'z') {
        out->augmented = true;
        uint64_t length = take_uleb(&r);
        if (length > (size_t)(r.end - r.p))
            return false;
        bytes end = r.p + length;
        for (const char *a = augmentation + 1; *a != '\0' && !r.bad; a++) {
            if (*a == 'R')
                out->pointers = (unsigned)take(&r, 1);
            else if (*a == 'L')
                take(&r, 1);
            else if (*a == 'P') {
                unsigned encoding = (unsigned)take(&r, 1);
                take_encoded(&r, encoding & 0x0f, 0);
            } else if (*a == 'S')
                out->signal = true;
            else if (*a != 'B')
                break; /* unknown; its data is skipped */
        }
        r.p = end;
    } else if (augmentation[0] != '\0')
        return false;
    out->program = r;
    return !r.bad && (version == 1 || version == 3 || version == 4);
}

/* The record (FDE) that covers pc, by the sorted table of .eh_frame_hdr. */
static bytes find_record(uintptr_t pc, const struct kgc__object *object)
{
    bytes header = object->unwind, limit = (bytes)object->end;
    struct reader r = {header, limit, false};
    uintptr_t data = (uintptr_t)header;
    if (header == NULL || take(&r, 1) != 1)
        return NULL;
    unsigned start = (unsigned)take(&r, 1), counts = (unsigned)take(&r, 1), table = (unsigned)take(&r, 1);
    take_encoded(&r, start, data);
    size_t count = take_encoded(&r, counts, data);
    if (r.bad || table != 0x3b || count == 0 || count > (size_t)(limit - r.p) / 8)
        return NULL; /* all linkers write 0x3b: pairs of 32 bits, from the header on */
    const int32_t(*pairs)[2] = (const void *)r.p;
    int64_t wanted = (int64_t)(pc - data);
    size_t low = 0, high = count; /* pairs[low] <= wanted < pairs[high] */
    if (wanted < pairs[0][0])
        return NULL;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (pairs[middle][0] <= wanted)
            low = middle;
        else
            high = middle;
    }
    return (bytes)(data + (uintptr_t)(intptr_t)pairs[low][1]);
}

static struct reader take_block(struct reader *r)
{
    uint64_t length = take_uleb(r);
    struct reader block = {r->p, r->p, true};
    if (r->bad || length > (size_t)(r->end - r->p)) {
        r->bad = true;
        return block;
    }
    r->p += length;
    return (struct reader){block.p, r->p, false};
}

static inline struct saved *register_of(struct row *row, uint64_t number)
{
    return number == REG_FP ? &row->fp : number == REG_RA ? &row->ra : &row->other;
}

/* Runs a program until it passes pc.  first: the row that "restore" goes back to. */
static bool run(struct reader r, const struct entry *e, uintptr_t at, uintptr_t pc, struct row *first,
                struct row *row)
{
    enum { DEPTH = 8 };
    struct row remembered[DEPTH];
    unsigned depth = 0;
    while (r.p < r.end && !r.bad) {
        unsigned op = (unsigned)take(&r, 1), low = op & 0x3f;
        uintptr_t next = at;
        uint64_t number = low;
        switch (op & 0xc0) {
        case 0x40:
            next += low * e->code_unit;
            break;
        case 0x80:
            *register_of(row, number) =
                (struct saved){.how = AT_CFA, .offset = (int64_t)take_uleb(&r) * e->data_unit};
            continue;
        case 0xc0:
            *register_of(row, number) = *register_of(first, number);
            continue;
        default:
            switch (op) {
            case 0x00:
                continue; /* nop */
            case 0x01:
                next = take_encoded(&r, e->pointers, 0);
                break; /* set_loc */
            case 0x02:
                next += take(&r, 1) * e->code_unit;
                break; /* advance_loc1, 2, 4 */
            case 0x03:
                next += take(&r, 2) * e->code_unit;
                break;
            case 0x04:
                next += take(&r, 4) * e->code_unit;
                break;
            case 0x05: /* offset_extended */
                number = take_uleb(&r);
                *register_of(row, number) =
                    (struct saved){.how = AT_CFA, .offset = (int64_t)take_uleb(&r) * e->data_unit};
                continue;
            case 0x06: /* restore_extended */
                number = take_uleb(&r);
                *register_of(row, number) = *register_of(first, number);
                continue;
            case 0x07:
                register_of(row, take_uleb(&r))->how = UNDEFINED;
                continue;
            case 0x08:
                register_of(row, take_uleb(&r))->how = SAME;
                continue;
            case 0x09: /* register */
                register_of(row, take_uleb(&r))->how = OTHER;
                take_uleb(&r);
                continue;
            case 0x0a: /* remember_state */
                if (depth == DEPTH)
                    return false;
                remembered[depth++] = *row;
                continue;
            case 0x0b: /* restore_state */
                if (depth == 0)
                    return false;
                *row = remembered[--depth];
                continue;
            case 0x0c: /* def_cfa */
                row->cfa_register = take_uleb(&r);
                row->cfa_offset = (int64_t)take_uleb(&r);
                continue;
            case 0x0d:
                row->cfa_register = take_uleb(&r);
                continue; /* def_cfa_register */
            case 0x0e:
                row->cfa_offset = (int64_t)take_uleb(&r);
                continue; /* def_cfa_offset */
            case 0x0f:    /* def_cfa_expression */
                row->cfa_register = UINT64_MAX;
                row->cfa_expression = take_block(&r);
                continue;
            case 0x10:
            case 0x16: /* expression, val_expression */
                number = take_uleb(&r);
                *register_of(row, number) =
                    (struct saved){.how = op == 0x10 ? AT_EXPRESSION : OTHER, .expression = take_block(&r)};
                continue;
            case 0x11: /* offset_extended_sf */
                number = take_uleb(&r);
                *register_of(row, number) =
                    (struct saved){.how = AT_CFA, .offset = take_sleb(&r) * e->data_unit};
                continue;
            case 0x12: /* def_cfa_sf */
                row->cfa_register = take_uleb(&r);
                row->cfa_offset = take_sleb(&r) * e->data_unit;
                continue;
            case 0x13:
                row->cfa_offset = take_sleb(&r) * e->data_unit;
                continue;
            case 0x14:
            case 0x15: /* val_offset, val_offset_sf */
                register_of(row, take_uleb(&r))->how = OTHER;
                take_uleb(&r);
                continue;
            case 0x2d:
                continue; /* AArch64: return addresses are signed */
            case 0x2e:
                take_uleb(&r);
                continue; /* GNU_args_size */
            case 0x2f:    /* GNU_negative_offset_extended */
                number = take_uleb(&r);
                *register_of(row, number) =
                    (struct saved){.how = AT_CFA, .offset = -(int64_t)take_uleb(&r) * e->data_unit};
                continue;
            default:
                return false;
            }
        }
        if (next > pc)
            return !r.bad;
        at = next;
    }
    return !r.bad;
}

static bool fits(int64_t value, int32_t *out)
{
    *out = (int32_t)value;
    return *out == value;
}

static uint8_t base_of(uint64_t number)
{
    return number == REG_SP ? KGC__BASE_SP : number == REG_FP ? KGC__BASE_FP : KGC__BASE_UNKNOWN;
}

/* register + offset */
static uint8_t take_sum(struct reader *r, int32_t *offset)
{
    unsigned op = (unsigned)take(r, 1);
    int64_t sum = 0;
    if (op < 0x70 || op > 0x8f) /* DW_OP_breg0 to 31 */
        return KGC__BASE_UNKNOWN;
    sum = take_sleb(r);
    while (!r->bad && r->p < r->end && *r->p == 0x23) { /* DW_OP_plus_uconst */
        r->p++;
        sum += (int64_t)take_uleb(r);
    }
    return r->bad || !fits(sum, offset) ? KGC__BASE_UNKNOWN : base_of(op - 0x70);
}

static uint8_t translate_saved(const struct saved *saved, int32_t *offset)
{
    struct reader r = saved->expression;
    uint8_t base;
    switch (saved->how) {
    case SAME:
        return KGC__BASE_NONE;
    case AT_CFA:
        return fits(saved->offset, offset) ? KGC__BASE_CFA : KGC__BASE_UNKNOWN;
    case AT_EXPRESSION:
        base = take_sum(&r, offset);
        return r.p == r.end ? base : KGC__BASE_UNKNOWN;
    default:
        return KGC__BASE_UNKNOWN;
    }
}

static void translate_cfa(const struct row *row, struct kgc__rule *out)
{
    if (row->cfa_register != UINT64_MAX) {
        out->cfa_base =
            fits(row->cfa_offset, &out->cfa_offset) ? base_of(row->cfa_register) : KGC__BASE_UNKNOWN;
        return;
    }
    struct reader r = row->cfa_expression;
    out->cfa_base = take_sum(&r, &out->cfa_offset);
    if (r.p < r.end && *r.p == 0x06) { /* DW_OP_deref */
        r.p++;
        out->indirect = true;
        if (r.p < r.end && *r.p == 0x23) {
            r.p++;
            if (!fits((int64_t)take_uleb(&r), &out->plus))
                r.bad = true;
        }
    }
    if (r.bad || r.p != r.end)
        out->cfa_base = KGC__BASE_UNKNOWN;
}

bool kgc__rule_find(uintptr_t pc, const struct kgc__object *object, struct kgc__rule *out)
{
    bytes record = find_record(pc, object), limit = (bytes)object->end;
    struct reader r;
    struct entry e;
    if (record == NULL || record < (bytes)object->start || record >= limit || !open_record(record, limit, &r))
        return false;
    bytes base = r.p;
    uint32_t back = (uint32_t)take(&r, 4);
    if (back == 0 || back > (size_t)(base - (bytes)object->start) || !read_cie(base - back, limit, &e))
        return false;
    uintptr_t start = take_encoded(&r, e.pointers, 0), size = take_encoded(&r, e.pointers & 0x0f, 0);
    if (r.bad || pc - start >= size || e.ra_register != REG_RA)
        return false;
    if (e.augmented)
        take_block(&r);
    struct row first = {.cfa_register = UINT64_MAX - 1}, row;
    if (r.bad || !run(e.program, &e, start, UINTPTR_MAX, &first, &first))
        return false;
    row = first;
    if (!run(r, &e, start, pc, &first, &row))
        return false;
    *out = (struct kgc__rule){.signal = e.signal};
    translate_cfa(&row, out);
    out->fp_base = translate_saved(&row.fp, &out->fp_offset);
    out->return_base = translate_saved(&row.ra, &out->return_offset);
    return out->cfa_base != KGC__BASE_UNKNOWN && out->return_base != KGC__BASE_UNKNOWN;
}
