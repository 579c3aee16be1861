/* SPDX-License-Identifier: MIT */
/* C++ allocators in memory of the caller's (fixedallocator(3)).  The kind is
   destroyed with the last copy of the allocator, the memory stays.  C++11. */
#ifndef KINDGC_COMPAT_FIXED_ALLOCATOR_H
#define KINDGC_COMPAT_FIXED_ALLOCATOR_H

#include <memkind_allocator.h>
#include <memory>

namespace libmemkind
{
namespace fixed
{
class kind_source
{
  public:
    kind_source(void *addr, std::size_t size)
    {
        memkind_t kind;
        kindgc::check_created(memkind_create_fixed(addr, size, &kind));
        kind_.reset(kind, memkind_destroy_kind);
    }
    memkind_t get() const noexcept
    {
        return kind_.get();
    }

  private:
    std::shared_ptr<struct memkind> kind_;
};

template <typename T> class allocator : public kindgc::basic_allocator<allocator, T, kind_source>
{
    using base = kindgc::basic_allocator<allocator, T, kind_source>;

  public:
    explicit allocator(void *addr, std::size_t size) : base(kind_source(addr, size))
    {
    }
    template <typename U> allocator(const allocator<U> &other) noexcept : base(other.source())
    {
    }
};
} // namespace fixed
} // namespace libmemkind
#endif
