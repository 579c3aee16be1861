/* SPDX-License-Identifier: MIT */
/* A C++ allocator of high-bandwidth memory (hbwallocator(3)), under the policy of
   hbw_set_policy().  C++03, as memkind's. */
#ifndef KINDGC_COMPAT_HBW_ALLOCATOR_H
#define KINDGC_COMPAT_HBW_ALLOCATOR_H

#include <hbwmalloc.h>
#include <new>
#include <stddef.h>

namespace hbw
{
template <class T> class allocator
{
  public:
    typedef T value_type;
    typedef T *pointer;
    typedef const T *const_pointer;
    typedef T &reference;
    typedef const T &const_reference;
    typedef size_t size_type;
    typedef ptrdiff_t difference_type;
    template <class U> struct rebind {
        typedef allocator<U> other;
    };

    allocator() throw()
    {
    }
    template <class U> allocator(const allocator<U> &) throw()
    {
    }

    pointer address(reference x) const
    {
        return &x;
    }
    const_pointer address(const_reference x) const
    {
        return &x;
    }
    size_type max_size() const throw()
    {
        return static_cast<size_type>(-1) / sizeof(T);
    }

    /* Throws std::bad_alloc when n is 0 or more than max_size(), or there is no memory. */
    pointer allocate(size_type n, const void * = 0)
    {
        void *p = n != 0 && n <= max_size() ? hbw_malloc(n * sizeof(T)) : 0;
        if (p == 0)
            throw std::bad_alloc();
        return static_cast<pointer>(p);
    }
    void deallocate(pointer p, size_type)
    {
        hbw_free(p);
    }

    void construct(pointer p, const_reference value)
    {
        ::new (static_cast<void *>(p)) value_type(value);
    }
    void destroy(pointer p)
    {
        p->~T();
    }
};

template <class T, class U> bool operator==(const allocator<T> &, const allocator<U> &)
{
    return true;
}
template <class T, class U> bool operator!=(const allocator<T> &, const allocator<U> &)
{
    return false;
}
} // namespace hbw
#endif
