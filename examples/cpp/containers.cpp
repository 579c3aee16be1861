/* SPDX-License-Identifier: MIT */
/*
 * Standard containers on the library's memory.  Checks itself; says what it
 * has done.
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <kindgc/kindgc.hpp>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#define CHECK(condition)                                                         \
    do {                                                                         \
        if (!(condition)) {                                                      \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            std::exit(1);                                                        \
        }                                                                        \
    } while (0)

namespace
{

struct node {
    std::uint64_t number;
    node *next;
};

int ended;

void count_end(void *, void *)
{
    ended++;
}

/* Collectable; counted when it is collected. */
[[gnu::noinline]] node *make_node(std::uint64_t number)
{
    auto *n = static_cast<node *>(kgc_allocate(sizeof(node)));
    CHECK(n != nullptr);
    n->number = number;
    CHECK(kgc_register_finalizer(n, count_end, nullptr, KGC_FINALIZE_NO_ORDER, nullptr, nullptr) == 0);
    return n;
}

[[gnu::noinline]] void clear_stack()
{
    volatile char space[32 * 1024];
    for (char volatile &c : space)
        c = 0;
}

void collect()
{
    for (int i = 0; i < 3; i++) {
        clear_stack();
        kgc_collect();
    }
}

constexpr int count = 10000;

/* Containers of malloc's memory would lose what they point to; these do not. */
using node_map =
    std::map<int, node *, std::less<int>, kindgc::rooted_allocator<std::pair<const int, node *>>>;

[[gnu::noinline]] void fill(node_map &map)
{
    for (int i = 0; i < count; i++)
        map[i] = make_node(static_cast<std::uint64_t>(i));
}

[[gnu::noinline]] std::uint64_t sum_of(const node_map &map)
{
    std::uint64_t sum = 0;
    for (const auto &[key, value] : map)
        sum += value->number == static_cast<std::uint64_t>(key) ? value->number : 1u << 31;
    return sum;
}

void rooted()
{
    auto map = std::make_unique<node_map>(); /* the map itself is malloc's: its nodes are rooted */
    fill(*map);
    collect();
    CHECK(ended == 0);
    CHECK(sum_of(*map) == std::uint64_t{count} * (count - 1) / 2);
    map.reset();
    collect();
    CHECK(ended > count * 9 / 10);
    std::printf("rooted: %d objects kept, and collected when the map was gone\n", count);
}

/* A vector that the collector frees, with what is in it. */
struct holder {
    std::vector<node *, kindgc::collectable_allocator<node *>> nodes;
    std::basic_string<char, std::char_traits<char>, kindgc::atomic_allocator<char>> name;
};

[[gnu::noinline]] holder *make_holder()
{
    auto *h = new (kgc_allocate(sizeof(holder))) holder;
    h->name = "a name that is too long for the string object itself";
    for (int i = 0; i < count; i++)
        h->nodes.push_back(make_node(static_cast<std::uint64_t>(i)));
    return h;
}

holder *kept;

[[gnu::noinline]] void check_holder()
{
    CHECK(kept->nodes.size() == count && kept->nodes[count - 1]->number == count - 1);
    CHECK(kept->name.back() == 'f');
    CHECK(kgc_base(kept->nodes.data()) != nullptr && kgc_base(kept->name.data()) != nullptr);
}

void collectable()
{
    ended = 0;
    kept = make_holder();
    collect();
    CHECK(ended == 0);
    check_holder();
    kept = nullptr; /* no destructor runs */
    collect();
    CHECK(ended > count * 9 / 10);
    std::printf("collectable: a vector was collected with its %d objects\n", count);
}

struct alignas(128) wide {
    unsigned char bytes[128];
};

template <class Allocator> void aligned(Allocator allocator)
{
    std::vector<wide, Allocator> v(allocator);
    std::list<wide, Allocator> l(allocator);
    for (int i = 0; i < 100; i++) {
        v.emplace_back();
        l.emplace_back();
        CHECK(reinterpret_cast<std::uintptr_t>(&v.back()) % 128 == 0);
        CHECK(reinterpret_cast<std::uintptr_t>(&l.back()) % 128 == 0);
    }
}

std::size_t allocated_in(kgc_kind *kind)
{
    kgc_kind_info info;
    CHECK(kgc_kind_stats(kind, &info) == 0);
    return info.allocated;
}

void on_a_kind()
{
    kgc_kind *kind, *small;
    CHECK(kgc_kind_open("default,limit=256M", &kind) == 0);
    CHECK(kgc_kind_open("default,limit=8M", &small) == 0);
    {
        kindgc::kind_allocator<int> allocator(kind);
        std::deque<int, kindgc::kind_allocator<int>> deque(allocator);
        std::unordered_map<int, int, std::hash<int>, std::equal_to<int>,
                           kindgc::kind_allocator<std::pair<const int, int>>>
            table(allocator);
        for (int i = 0; i < count; i++) {
            deque.push_back(i);
            table[i] = i;
        }
        CHECK(kgc_kind_of(&deque.front()) == kind && kgc_kind_of(&*table.begin()) == kind);
        CHECK(allocated_in(kind) > sizeof(int) * count);

        /* The kind goes with the memory. */
        std::vector<int, kindgc::kind_allocator<int>> a({1, 2, 3}, allocator),
            b({4}, kindgc::kind_allocator<int>(small));
        CHECK(a.get_allocator() != b.get_allocator() && a.get_allocator() == allocator);
        std::swap(a, b);
        CHECK(b.size() == 3 && kgc_kind_of(b.data()) == kind && kgc_kind_of(a.data()) == small);
        b = a;
        CHECK(b.size() == 1 && kgc_kind_of(b.data()) == small);
        a = std::move(b);
        CHECK(a[0] == 4 && a.get_allocator().kind() == small);

        bool refused = false;
        try {
            a.reserve(100000000);
        } catch (const std::bad_alloc &) {
            refused = true;
        }
        CHECK(refused && a[0] == 4);
        refused = false;
        try {
            (void)allocator.allocate(SIZE_MAX / 2);
        } catch (const std::bad_array_new_length &) {
            refused = true;
        }
        CHECK(refused);
    }
    aligned(kindgc::kind_allocator<wide>(kind));
    aligned(kindgc::rooted_allocator<wide>());
    aligned(kindgc::collectable_allocator<wide>());
    CHECK(kgc_kind_close(kind) == 0 && kgc_kind_close(small) == 0);
    std::printf("kind: containers, moved and swapped with their kinds; a full one throws\n");
}

void resources()
{
    kgc_region *region = kgc_region_create(16 * 1024 * 1024, 0);
    CHECK(region != nullptr);
    {
        kindgc::memory_resource in_region(kgc_allocator_of_region(region)), system(*KGC_SYSTEM),
            rooted(*KGC_ROOTED), again(*KGC_ROOTED);
        CHECK(rooted == again && rooted != system && rooted != *std::pmr::new_delete_resource());
        std::pmr::vector<std::pmr::string> words(&in_region);
        for (int i = 0; i < 1000; i++)
            words.emplace_back("a word that is too long to be inside of the string " + std::to_string(i));
        CHECK(kgc_region_contains(region, words.data()) && kgc_region_contains(region, words.back().data()));
        CHECK(words[999].substr(words[999].size() - 3) == "999");
        std::pmr::vector<std::pmr::string> copy(words, &rooted);
        CHECK(kgc_malloc_usable_size(copy.data()) != 0 && copy == words);
        std::pmr::monotonic_buffer_resource on_top(4096, &system);
        std::pmr::list<wide> list(100, &on_top);
        CHECK(reinterpret_cast<std::uintptr_t>(&list.back()) % 128 == 0);
        CHECK(reinterpret_cast<std::uintptr_t>(rooted.allocate(0, 64)) % 64 == 0); /* no memory */

        bool refused = false;
        try {
            (void)in_region.allocate(64 * 1024 * 1024);
        } catch (const std::bad_alloc &) {
            refused = true;
        }
        CHECK(refused);
    }
    kgc_region_destroy(region);
    std::printf("memory resources: a region, the rooted heap and the system\n");
}

void threads()
{
    std::vector<std::thread> all;
    for (int t = 0; t < 4; t++)
        all.emplace_back([t] {
            std::vector<std::vector<int, kindgc::collectable_allocator<int>>,
                        kindgc::rooted_allocator<std::vector<int, kindgc::collectable_allocator<int>>>>
                lists;
            for (int i = 0; i < 2000; i++)
                lists.emplace_back(static_cast<std::size_t>(i % 100), t * 100 + i % 7);
            for (int i = 0; i < 2000; i++)
                for (int n : lists[static_cast<std::size_t>(i)])
                    CHECK(n == t * 100 + i % 7);
        });
    for (auto &thread : all)
        thread.join();
    std::printf("threads: 4 with containers of their own\n");
}

} // namespace

int main()
{
    rooted();
    collectable();
    on_a_kind();
    resources();
    threads();
}
