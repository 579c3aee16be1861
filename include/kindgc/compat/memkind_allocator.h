/* SPDX-License-Identifier: MIT */
/*
 * C++ allocators on kinds (memkindallocator(3)): libmemkind::static_kind's take
 * a static kind.  What all allocators on a memkind_t share is here too.  C++11.
 */
#ifndef KINDGC_COMPAT_MEMKIND_ALLOCATOR_H
#define KINDGC_COMPAT_MEMKIND_ALLOCATOR_H

#include <cstddef>
#include <limits>
#include <memkind.h>
#include <new>
#include <stdexcept>
#include <utility>

namespace libmemkind
{
namespace kindgc
{
/* What is the same for every T: Source has get(), the kind, and is copied with the allocator. */
template <template <typename> class Allocator, typename T, typename Source> class basic_allocator
{
  public:
    using value_type = T;
    using pointer = T *;
    using const_pointer = const T *;
    using reference = T &;
    using const_reference = const T &;
    using size_type = std::size_t;
    using difference_type = std::ptrdiff_t;
    template <typename U> struct rebind {
        using other = Allocator<U>;
    };

    explicit basic_allocator(Source from) : source_(std::move(from))
    {
    }

    /* Throws std::bad_alloc when n is 0 or there is no memory. */
    pointer allocate(size_type n) const
    {
        if (n > std::numeric_limits<size_type>::max() / sizeof(T))
            throw std::bad_alloc();
        void *p = n != 0 ? memkind_malloc(source_.get(), n * sizeof(T)) : nullptr;
        if (p == nullptr)
            throw std::bad_alloc();
        return static_cast<pointer>(p);
    }

    void deallocate(pointer p, size_type) const
    {
        memkind_free(source_.get(), p);
    }

    template <typename U, typename... Arguments> void construct(U *p, Arguments &&...arguments) const
    {
        ::new (static_cast<void *>(p)) U(std::forward<Arguments>(arguments)...);
    }

    template <typename U> void destroy(U *p) const
    {
        p->~U();
    }

    const Source &source() const noexcept
    {
        return source_;
    }

  private:
    Source source_;
};

/* Memory of one allocator may be freed by another of the same kind. */
template <template <typename> class A, typename T, typename U, typename Source>
bool operator==(const basic_allocator<A, T, Source> &a, const basic_allocator<A, U, Source> &b) noexcept
{
    return a.source().get() == b.source().get();
}
template <template <typename> class A, typename T, typename U, typename Source>
bool operator!=(const basic_allocator<A, T, Source> &a, const basic_allocator<A, U, Source> &b) noexcept
{
    return !(a == b);
}

/* Throws what memkind's allocators throw when a kind cannot be created. */
inline void check_created(int error)
{
    char text[MEMKIND_ERROR_MESSAGE_SIZE];
    if (error == MEMKIND_SUCCESS)
        return;
    memkind_error_message(error, text, sizeof text);
    if (error == MEMKIND_ERROR_INVALID)
        throw std::invalid_argument(text);
    throw std::runtime_error(text);
}
} // namespace kindgc

enum class kinds {
    DEFAULT,
    HUGETLB,
    INTERLEAVE,
    HBW,
    HBW_ALL,
    HBW_HUGETLB,
    HBW_ALL_HUGETLB,
    HBW_PREFERRED,
    HBW_PREFERRED_HUGETLB,
    HBW_INTERLEAVE,
    REGULAR,
    DAX_KMEM,
    DAX_KMEM_ALL,
    DAX_KMEM_PREFERRED,
    DAX_KMEM_INTERLEAVE,
    HIGHEST_CAPACITY,
    HIGHEST_CAPACITY_PREFERRED,
    HIGHEST_CAPACITY_LOCAL,
    HIGHEST_CAPACITY_LOCAL_PREFERRED,
    LOWEST_LATENCY_LOCAL,
    LOWEST_LATENCY_LOCAL_PREFERRED,
    HIGHEST_BANDWIDTH_LOCAL,
    HIGHEST_BANDWIDTH_LOCAL_PREFERRED
};

namespace static_kind
{
class kind_source
{
  public:
    explicit kind_source(libmemkind::kinds kind)
    {
        const memkind_t in_order[] = {MEMKIND_DEFAULT,
                                      MEMKIND_HUGETLB,
                                      MEMKIND_INTERLEAVE,
                                      MEMKIND_HBW,
                                      MEMKIND_HBW_ALL,
                                      MEMKIND_HBW_HUGETLB,
                                      MEMKIND_HBW_ALL_HUGETLB,
                                      MEMKIND_HBW_PREFERRED,
                                      MEMKIND_HBW_PREFERRED_HUGETLB,
                                      MEMKIND_HBW_INTERLEAVE,
                                      MEMKIND_REGULAR,
                                      MEMKIND_DAX_KMEM,
                                      MEMKIND_DAX_KMEM_ALL,
                                      MEMKIND_DAX_KMEM_PREFERRED,
                                      MEMKIND_DAX_KMEM_INTERLEAVE,
                                      MEMKIND_HIGHEST_CAPACITY,
                                      MEMKIND_HIGHEST_CAPACITY_PREFERRED,
                                      MEMKIND_HIGHEST_CAPACITY_LOCAL,
                                      MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED,
                                      MEMKIND_LOWEST_LATENCY_LOCAL,
                                      MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED,
                                      MEMKIND_HIGHEST_BANDWIDTH_LOCAL,
                                      MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED};
        auto index = static_cast<std::size_t>(kind);
        if (index >= sizeof in_order / sizeof in_order[0])
            throw std::runtime_error("no such static kind");
        kind_ = in_order[index];
    }
    memkind_t get() const noexcept
    {
        return kind_;
    }

  private:
    memkind_t kind_;
};

template <typename T> class allocator : public kindgc::basic_allocator<allocator, T, kind_source>
{
    using base = kindgc::basic_allocator<allocator, T, kind_source>;

  public:
    explicit allocator(libmemkind::kinds kind) : base(kind_source(kind))
    {
    }
    template <typename U> allocator(const allocator<U> &other) noexcept : base(other.source())
    {
    }
};
} // namespace static_kind
} // namespace libmemkind
#endif
