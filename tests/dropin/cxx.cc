/* SPDX-License-Identifier: MIT */
/* C++: every operator new and delete, exceptions, new-handlers, static and thread-local destructors. */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static int failures;
#define CHECK(e) ((e) ? (void)0 : (void)(std::printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #e), failures++))

static const std::size_t huge = static_cast<std::size_t>(1) << 62;

struct Static {
    std::map<std::string, std::vector<int>> values;
    ~Static() { std::printf("destroyed %zu\n", values.size()); }
};
static Static at_exit;

struct alignas(256) Wide {
    char data[300];
};

template <typename T> static T *opaque(T *p)
{
    __asm__ volatile("" : "+r"(p));
    return p;
}

static std::size_t opaque(std::size_t n)
{
    __asm__ volatile("" : "+r"(n));
    return n;
}

static int handled;
static void gives_up()
{
    if (++handled == 3)
        std::set_new_handler(nullptr);
}
static void throws() { throw std::runtime_error("from the handler"); }

template <typename E, typename F> static bool fails_with(F f)
{
    try {
        f();
    } catch (const E &) {
        return true;
    }
    return false;
}

static void test_operators()
{
    delete opaque(new int(5));
    delete[] opaque(new char[1000]);
    delete opaque(new (std::nothrow) int(5));
    delete[] opaque(new (std::nothrow) char[100000]);
    Wide *w = opaque(new Wide), *a = opaque(new Wide[10]);
    CHECK(reinterpret_cast<std::uintptr_t>(w) % 256 == 0 && reinterpret_cast<std::uintptr_t>(a) % 256 == 0);
    delete w;
    delete[] a;
    delete opaque(new (std::nothrow) Wide);
    ::operator delete(opaque(::operator new(10)), static_cast<std::size_t>(10));
    std::free(opaque(::operator new(10))); /* careless programs do */
    ::operator delete(opaque(std::malloc(10)));
    delete static_cast<int *>(nullptr);
}

static void test_failure()
{
    CHECK(fails_with<std::bad_alloc>([] { ::operator delete(opaque(::operator new(opaque(huge)))); }));
    CHECK(fails_with<std::bad_alloc>([] { ::operator delete[](opaque(::operator new[](opaque(huge)))); }));
    CHECK(opaque(::operator new(opaque(huge), std::nothrow)) == nullptr);
    CHECK(opaque(::operator new(opaque(huge), std::align_val_t(64), std::nothrow)) == nullptr);
    std::set_new_handler(gives_up);
    CHECK(fails_with<std::bad_alloc>([] { ::operator delete(opaque(::operator new(opaque(huge)))); }));
    CHECK(handled == 3);
    std::set_new_handler(gives_up), handled = 0;
    CHECK(opaque(::operator new(opaque(huge), std::nothrow)) == nullptr && handled == 3);
    std::set_new_handler(throws);
    CHECK(fails_with<std::runtime_error>([] { ::operator delete(opaque(::operator new(opaque(huge)))); }));
    std::set_new_handler([] { throw std::bad_alloc(); });
    CHECK(opaque(::operator new(opaque(huge), std::nothrow)) == nullptr);
    CHECK(opaque(::operator new(opaque(huge), std::align_val_t(64), std::nothrow)) == nullptr);
    std::set_new_handler(nullptr);
}

static thread_local std::vector<std::string> of_thread;

static void in_thread(int n, bool *ok)
{
    for (int i = 0; i < 200; i++)
        of_thread.push_back(std::to_string(i) + " is a string that does not fit into itself");
    for (int i = 0; i < 200; i++)
        try {
            std::unique_ptr<char[]> p(new char[static_cast<std::size_t>(i) * 100]);
            throw std::runtime_error(std::string(static_cast<std::size_t>(n) + 30, 'x'));
        } catch (const std::exception &e) {
            if (e.what()[29] != 'x')
                return;
        }
    *ok = true;
}

int main()
{
    for (int i = 0; i < 100; i++)
        at_exit.values[std::to_string(i)] = std::vector<int>(static_cast<std::size_t>(i), i);
    test_operators();
    test_failure();
    for (int round = 0; round < 5; round++) {
        std::vector<std::thread> threads;
        bool ok[6] = {};
        for (int i = 0; i < 6; i++)
            threads.emplace_back(in_thread, i, &ok[i]);
        for (auto &t : threads)
            t.join();
        for (bool b : ok)
            CHECK(b);
    }
    std::printf("%d failures\n", failures);
    return failures != 0;
}
