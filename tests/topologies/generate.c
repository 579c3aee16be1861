/* SPDX-License-Identifier: MIT */
/*
 * Writes the machine descriptions of this folder, which topology_test reads:
 *     cc -o generate generate.c -lhwloc && ./generate FOLDER
 * They are kept beside it, so that the tests look at the same machines
 * whatever hwloc does.  Sizes and figures are of the order that such machines have.
 */
#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIB (1024ull * 1024 * 1024)
enum { NODES = 8 };

/* What the firmware tells of a node as seen from a place: a group of CPUs
   where the machine has several, else a package. */
struct figures {
    int node, place;
    unsigned bandwidth; /* MiB/s */
    unsigned latency;   /* ns */
};

struct layout {
    const char *name;
    const char *synthetic;         /* hwloc numbers the nodes place by place, the machine's own last */
    unsigned gib[NODES];           /* of each node */
    struct figures figures[NODES]; /* until the first without bandwidth */
};

static const struct layout layouts[] = {
    {"ddr",
     "pack:2 [numa(memory=1)] pu:4",
     {64, 64},
     {{0, 0, 120000, 90}, {0, 1, 60000, 140}, {1, 0, 60000, 140}, {1, 1, 120000, 90}}},

    /* High bandwidth at a longer latency, as Xeon Max in flat mode. */
    {"hbm",
     "pack:2 [numa(memory=1)] [numa(memory=1)] pu:4",
     {128, 64, 128, 64},
     {{0, 0, 120000, 90},
      {0, 1, 60000, 140},
      {1, 0, 400000, 130},
      {1, 1, 70000, 180},
      {2, 1, 120000, 90},
      {2, 0, 60000, 140},
      {3, 1, 400000, 130},
      {3, 0, 70000, 180}}},

    /* One package in four clusters, each with DDR and MCDRAM. */
    {"knl",
     "pack:1 group:4 [numa(memory=1)] [numa(memory=1)] pu:2",
     {24, 4, 24, 4, 24, 4, 24, 4},
     {{0, 0, 22000, 130},
      {1, 0, 90000, 150},
      {2, 1, 22000, 130},
      {3, 1, 90000, 150},
      {4, 2, 22000, 130},
      {5, 2, 90000, 150},
      {6, 3, 22000, 130},
      {7, 3, 90000, 150}}},

    /* An expander behind both packages, somewhat nearer to the first. */
    {"cxl",
     "[numa(memory=1)] pack:2 [numa(memory=1)] pu:4",
     {64, 64, 512},
     {{0, 0, 120000, 90}, {1, 1, 120000, 90}, {2, 0, 30000, 250}, {2, 1, 25000, 300}}},

    /* Persistent memory used as system memory (DAX KMEM), more of it at the second package. */
    {"pmem",
     "pack:2 [numa(memory=1)] [numa(memory=1)] pu:4",
     {192, 768, 192, 1536},
     {{0, 0, 100000, 80}, {1, 0, 8000, 300}, {2, 1, 100000, 80}, {3, 1, 8000, 300}}},

    /* No figures at all. */
    {"untold", "pack:2 [numa(memory=1)] pu:4", {64, 96}, {{0}}},

    {"ties",
     "pack:2 [numa(memory=1)] [numa(memory=1)] pu:4",
     {64, 64, 32, 64},
     {{0, 0, 200000, 100}, {1, 0, 200000, 100}, {2, 1, 200000, 100}, {3, 1, 100000, 90}}},

    /* The first node has the best figures and no memory, the last the most memory and no figures. */
    {"gaps", "pack:3 [numa(memory=1)] pu:4", {0, 64, 128}, {{0, 0, 900000, 1}, {1, 1, 100000, 90}}},
};

static void require(int result, const char *what)
{
    if (result == 0)
        return;
    perror(what);
    exit(1);
}

static void set_figures(hwloc_topology_t topology, const struct figures *f)
{
    hwloc_obj_t group = hwloc_get_obj_by_type(topology, HWLOC_OBJ_GROUP, (unsigned)f->place);
    hwloc_obj_t place =
        group != NULL ? group : hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, (unsigned)f->place);
    hwloc_obj_t node = hwloc_get_numanode_obj_by_os_index(topology, (unsigned)f->node);
    struct hwloc_location from = {.type = HWLOC_LOCATION_TYPE_CPUSET, .location = {.cpuset = place->cpuset}};
    require(hwloc_memattr_set_value(topology, HWLOC_MEMATTR_ID_BANDWIDTH, node, &from, 0, f->bandwidth),
            "bandwidth");
    require(hwloc_memattr_set_value(topology, HWLOC_MEMATTR_ID_LATENCY, node, &from, 0, f->latency),
            "latency");
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof layouts / sizeof layouts[0]; i++) {
        const struct layout *l = &layouts[i];
        char path[4096];
        hwloc_topology_t topology;
        require(hwloc_topology_init(&topology), "init");
        require(hwloc_topology_set_synthetic(topology, l->synthetic), l->name);
        require(hwloc_topology_load(topology), l->name);
        for (unsigned n = 0; n < NODES; n++) {
            hwloc_obj_t node = hwloc_get_numanode_obj_by_os_index(topology, n);
            if (node != NULL)
                node->attr->numanode.local_memory = l->gib[n] * GIB;
        }
        for (unsigned n = 0; n < NODES && l->figures[n].bandwidth != 0; n++)
            set_figures(topology, &l->figures[n]);
        snprintf(path, sizeof path, "%s/%s.xml", argv[1], l->name);
        require(hwloc_topology_export_xml(topology, path, 0), path);
        hwloc_topology_destroy(topology);
    }
    return argc == 2 ? 0 : 1;
}
