// SPDX-License-Identifier: MIT
// Leaks of a C++ program: operator new, containers, a catch block.
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace shop
{
template <typename T> struct Order {
    std::vector<T> items;
    char name[40];
};

__attribute__((noinline)) void take(int n)
{
    auto *order = new Order<int>(); // leak: order
    order->items.resize(n);         // leak: items
    __asm__ volatile("" : : "r"(order) : "memory");
}

__attribute__((noinline)) void refuse()
{
    try {
        throw std::runtime_error("no");
    } catch (const std::exception &) {
        char *p = new char[333]; // leak: caught
        __asm__ volatile("" : : "r"(p) : "memory");
    }
}
} // namespace shop

__attribute__((noinline)) static void overwrite()
{
    char space[16384];
    memset(space, 0, sizeof space);
    __asm__ volatile("" : : "r"(space) : "memory");
}

int main()
{
    shop::take(100);
    shop::refuse();
    overwrite();
}
