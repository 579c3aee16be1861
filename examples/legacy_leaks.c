/* SPDX-License-Identifier: MIT */
/*
 * A program as they are found in the wild: it answers orders for a shop, and
 * forgets memory in five ways.  It knows nothing of kindgc.
 *
 *     legacy_leaks [ORDERS]
 *     kindgc run --malloc collect legacy_leaks     its memory stays flat
 *     kindgc run --malloc detect legacy_leaks      tells where it leaks
 *
 * It prints what it has taken, and how much memory it had on the way.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct item {
    struct item *next;
    char *name;
    int quantity;
};

struct order {
    unsigned number;
    char *customer;
    struct item *items;
};

/* A node of the tree that a receipt is printed from; children know their parent. */
struct part {
    struct part *parent, *first, *second;
    char text[64];
};

static char *last_customer; /* for the greeting on the next receipt */
static unsigned long taken, refused, printed;

static void *get(size_t size)
{
    void *p = malloc(size);
    if (p == NULL) {
        fputs("legacy_leaks: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

static char *copy(const char *text)
{
    return strcpy(get(strlen(text) + 1), text);
}

/* Adds an item at the head of the list. */
static struct item *add_item(struct item *list, const char *name, int quantity)
{
    struct item *item = get(sizeof *item);
    item->next = list;
    item->name = copy(name);
    item->quantity = quantity;
    return item;
}

/* Leak: the line's copy, when the line is wrong (early return). */
static struct order *parse_order(const char *line)
{
    char *work = copy(line);
    char *customer = strtok(work, " ");
    if (customer == NULL || strchr(customer, '?') != NULL)
        return NULL;
    struct order *order = get(sizeof *order);
    order->customer = copy(customer);
    order->items = NULL;
    for (char *word; (word = strtok(NULL, " ")) != NULL;)
        order->items = add_item(order->items, word, (int)strlen(word));
    free(work);
    return order;
}

/* Leak: the name that was there before (overwritten pointer). */
static void remember_customer(const char *customer)
{
    last_customer = copy(customer);
}

/* Leak: the items and their names (lost list). */
static void drop_order(struct order *order)
{
    free(order->customer);
    free(order);
}

static struct part *make_part(struct part *parent, unsigned depth, const struct order *order)
{
    struct part *part = get(sizeof *part);
    part->parent = parent;
    snprintf(part->text, sizeof part->text, "%u: %.40s", order->number, order->customer);
    part->first = depth != 0 ? make_part(part, depth - 1, order) : NULL;
    part->second = depth != 0 ? make_part(part, depth - 1, order) : NULL;
    return part;
}

static unsigned long length_of(const struct part *part)
{
    return part == NULL ? 0 : strlen(part->text) + length_of(part->first) + length_of(part->second);
}

/* Leak: the receipt's tree (cyclic structure: each part is pointed to). */
static unsigned long print_receipt(const struct order *order)
{
    return length_of(make_part(NULL, 4, order));
}

/* Leak: all but the last line of the journal (a list whose head moves on). */
static void note_in_journal(const struct order *order)
{
    static struct item *journal;
    struct item *line = add_item(NULL, order->customer, (int)order->number);
    if (journal != NULL)
        journal->next = line;
    journal = line;
}

static void answer(unsigned number)
{
    static const char *const customers[] = {"anna", "bert", "who?", "carla", "dora"};
    char line[128];
    snprintf(line, sizeof line, "%s apples%u pears%u plums%u", customers[number % 5], number % 7, number % 11,
             number % 13);
    struct order *order = parse_order(line);
    if (order == NULL) {
        refused++;
        return;
    }
    order->number = number;
    taken++;
    printed += print_receipt(order);
    note_in_journal(order);
    remember_customer(order->customer);
    drop_order(order);
}

/* Bytes in memory. */
static size_t resident(void)
{
    unsigned long all = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%lu %lu", &all, &pages) != 2)
        pages = 0;
    if (f != NULL)
        fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

int main(int argc, char **argv)
{
    char *end = "";
    unsigned long orders = argc > 1 ? strtoul(argv[1], &end, 10) : 100000;
    if (argc > 2 || *end != '\0' || orders == 0) {
        fputs("legacy_leaks: usage: legacy_leaks [ORDERS]\n", stderr);
        return 2;
    }
    for (unsigned long i = 0; i < orders; i++) {
        answer((unsigned)i);
        if ((i + 1) % ((orders + 9) / 10) == 0)
            printf("after %lu orders: %zu MiB\n", i + 1, resident() >> 20);
    }
    printf("taken %lu, refused %lu, %lu characters printed, the last for %s\n", taken, refused, printed,
           last_customer);
    printf("resident: %zu MiB\n", resident() >> 20);
    return 0;
}
