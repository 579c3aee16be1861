/* SPDX-License-Identifier: MIT */
/*
 * C++17, with exceptions and RTTI: the library's memory for containers.
 *
 *   std::vector<node *, kindgc::rooted_allocator<node *>> roots;
 *   std::list<int, kindgc::kind_allocator<int>> list(kindgc::kind_allocator<int>(kind));
 *   kindgc::memory_resource resource(kgc_allocator_of_region(region));
 *   std::pmr::string name("...", &resource);
 *
 * Allocators throw std::bad_alloc when there is no memory, and
 * std::bad_array_new_length when a size overflows.  They are as safe to use
 * from several threads as the memory behind them.
 *
 * Elements that point to collectable objects keep them alive in rooted and
 * collectable containers, not in those on a kind (unless it was opened with
 * `scanned`), a region or the system.  A collectable container's memory lives
 * as long as the container can be reached; the container frees it at once when
 * it is destroyed, and if it never is, the collector does, without destructors
 * of the elements.
 */
#ifndef KINDGC_HPP
#define KINDGC_HPP

#include <kindgc.h>
#include <memory_resource>
#include <new>
#include <type_traits>

namespace kindgc
{

/* Where memory comes from: empty classes, except for kinds. */
namespace source
{
template <const kgc_allocator *table> struct of_table {
    void *allocate(kgc_layout layout) const
    {
        return kgc_allocator_alloc(table, layout);
    }
    void deallocate(void *p, kgc_layout layout) const noexcept
    {
        kgc_allocator_dealloc(table, p, layout);
    }
    friend bool operator==(of_table, of_table) noexcept
    {
        return true;
    }
};

struct of_kind {
    kgc_kind *kind;
    void *allocate(kgc_layout layout) const
    {
        kgc_allocator a = kgc_allocator_of_kind(kind);
        return kgc_allocator_alloc(&a, layout);
    }
    void deallocate(void *p, kgc_layout layout) const noexcept
    {
        kgc_allocator a = kgc_allocator_of_kind(kind);
        kgc_allocator_dealloc(&a, p, layout);
    }
    friend bool operator==(of_kind a, of_kind b) noexcept
    {
        return a.kind == b.kind;
    }
};
} // namespace source

/* An allocator as the standard wants it.  The kind moves with a container's
   memory: when containers are assigned and swapped. */
template <class T, class Source> class basic_allocator : private Source
{
  public:
    using value_type = T;
    using propagate_on_container_copy_assignment = std::true_type;
    using propagate_on_container_move_assignment = std::true_type;
    using propagate_on_container_swap = std::true_type;
    using is_always_equal = std::is_empty<Source>;
    template <class U> struct rebind {
        using other = basic_allocator<U, Source>;
    };

    basic_allocator() = default;
    explicit basic_allocator(const Source &from) noexcept : Source(from)
    {
    }
    template <class U>
    basic_allocator(const basic_allocator<U, Source> &other) noexcept : Source(other.from())
    {
    }

    [[nodiscard]] T *allocate(std::size_t count)
    {
        kgc_layout layout;
        if (kgc_layout_array(KGC_LAYOUT_OF(T), count, &layout) != 0)
            throw std::bad_array_new_length();
        if (void *p = Source::allocate(layout))
            return static_cast<T *>(p);
        throw std::bad_alloc();
    }
    void deallocate(T *p, std::size_t count) noexcept
    {
        Source::deallocate(p, kgc_layout{count * sizeof(T), alignof(T)});
    }

    const Source &from() const noexcept
    {
        return *this;
    }
    template <class U> bool operator==(const basic_allocator<U, Source> &other) const noexcept
    {
        return from() == other.from();
    }
    template <class U> bool operator!=(const basic_allocator<U, Source> &other) const noexcept
    {
        return !(*this == other);
    }
};

/* Never collected, always scanned. */
template <class T> using rooted_allocator = basic_allocator<T, source::of_table<&kgc_rooted_allocator>>;
/* Collectable, scanned. */
template <class T>
using collectable_allocator = basic_allocator<T, source::of_table<&kgc_collectable_allocator>>;
/* Collectable, never scanned: for elements without pointers. */
template <class T> using atomic_allocator = basic_allocator<T, source::of_table<&kgc_atomic_allocator>>;

/* Explicit memory of a kind, which must stay open. */
template <class T> class kind_allocator : public basic_allocator<T, source::of_kind>
{
    using base = basic_allocator<T, source::of_kind>;

  public:
    template <class U> struct rebind {
        using other = kind_allocator<U>;
    };
    explicit kind_allocator(kgc_kind *kind) noexcept : base(source::of_kind{kind})
    {
    }
    template <class U> kind_allocator(const kind_allocator<U> &other) noexcept : base(other)
    {
    }
    kgc_kind *kind() const noexcept
    {
        return this->from().kind;
    }
};

/* Any allocator of kindgc/layout.h as a memory resource.  The table is copied. */
class memory_resource : public std::pmr::memory_resource
{
  public:
    explicit memory_resource(const kgc_allocator &allocator) noexcept : allocator_(allocator)
    {
    }
    const kgc_allocator &allocator() const noexcept
    {
        return allocator_;
    }

  protected:
    void *do_allocate(std::size_t size, std::size_t align) override
    {
        if (void *p = kgc_allocator_alloc(&allocator_, kgc_layout{size, align}))
            return p;
        throw std::bad_alloc();
    }
    void do_deallocate(void *p, std::size_t size, std::size_t align) override
    {
        kgc_allocator_dealloc(&allocator_, p, kgc_layout{size, align});
    }
    /* Can what one has allocated be freed by the other? */
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
    {
        if (this == &other)
            return true;
        auto *same = dynamic_cast<const memory_resource *>(&other);
        return same != nullptr && same->allocator_.alloc == allocator_.alloc &&
               same->allocator_.dealloc == allocator_.dealloc && same->allocator_.self == allocator_.self;
    }

  private:
    kgc_allocator allocator_;
};

} // namespace kindgc

#endif
