/* SPDX-License-Identifier: MIT */
/* C++ allocators on file-backed kinds (pmemallocator(3)).  The kind is destroyed
   with the last copy of the allocator.  C++11. */
#ifndef KINDGC_COMPAT_PMEM_ALLOCATOR_H
#define KINDGC_COMPAT_PMEM_ALLOCATOR_H

#include <memkind_allocator.h>
#include <memory>
#include <string>

namespace libmemkind
{
enum class allocation_policy {
    DEFAULT = MEMKIND_MEM_USAGE_POLICY_DEFAULT,
    CONSERVATIVE = MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE,
    MAX
};

namespace pmem
{
class kind_source
{
  public:
    kind_source(const char *dir, std::size_t max_size, allocation_policy policy)
    {
        std::unique_ptr<memkind_config, void (*)(memkind_config *)> config(memkind_config_new(),
                                                                           memkind_config_delete);
        if (!config)
            throw std::runtime_error("no memory for a configuration");
        memkind_config_set_path(config.get(), dir);
        memkind_config_set_size(config.get(), max_size);
        memkind_config_set_memory_usage_policy(config.get(), static_cast<memkind_mem_usage_policy>(policy));
        memkind_t kind;
        kindgc::check_created(memkind_create_pmem_with_config(config.get(), &kind));
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
    explicit allocator(const char *dir, std::size_t max_size,
                       allocation_policy policy = allocation_policy::DEFAULT)
        : base(kind_source(dir, max_size, policy))
    {
    }
    explicit allocator(const std::string &dir, std::size_t max_size,
                       allocation_policy policy = allocation_policy::DEFAULT)
        : allocator(dir.c_str(), max_size, policy)
    {
    }
    template <typename U> allocator(const allocator<U> &other) noexcept : base(other.source())
    {
    }
};
} // namespace pmem
} // namespace libmemkind
#endif
