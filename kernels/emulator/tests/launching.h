// Launches for programs of tests.
#pragma once
#include "../emulator.h"
#include "../../cuda/primitives.h"
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace kv::test {

template <class Arguments> void launch(const std::string& name, const Arguments& arguments, int x, int y, int threads, size_t shared, int order = 7) {
    const emulator::Kernel* kernel = emulator::find_kernel(name);
    emulator::Options options;
    options.order = order;
    const std::string error = !kernel ? "there is no " + name : kernel->argument_bytes != sizeof(Arguments) ? "sizes differ" :
        emulator::launch(*kernel, &arguments, {(unsigned)x, (unsigned)y, 1}, {(unsigned)threads, 1, 1}, shared, options);
    if (!error.empty()) {
        std::printf("%s: %s\n", name.c_str(), error.c_str());
        std::exit(1);
    }
}

/// Memory as a device gives it: aligned, and nothing that could be read by mistake.
template <class T> struct Memory {
    std::vector<T> items;
    explicit Memory(size_t count) : items(count + 64 / sizeof(T)) {}
    T* get() { return (T*)(((u64)items.data() + 15) / 16 * 16); }
    T& operator[](size_t i) { return get()[i]; }
};

/// Says what is wrong with a number; true where nothing is.
inline bool close(const char* what, int at, double actual, double expected, double bound) {
    if (actual - expected <= bound && expected - actual <= bound) return true;
    std::printf("FAIL %s: number %d is %g, not %g\n", what, at, actual, expected);
    return false;
}

inline bool equal(const char* what, int at, i64 actual, i64 expected) {
    if (actual == expected) return true;
    std::printf("FAIL %s: number %d is %lld, not %lld\n", what, at, (long long)actual, (long long)expected);
    return false;
}

}  // namespace kv::test
