// Runs kernels on the CPU: every CUDA thread is a fiber, a warp collective is carried out by the last lane to arrive, a block
// barrier is a true barrier. Mistakes that a GPU punishes at random (divergence, lost barriers, races, reads of what was never
// written) end here in a sentence that names the kernel, the block, the thread and the line.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace kv::emulator {
struct Extent {
    unsigned x, y, z;
    size_t volume() const { return (size_t)x * y * z; }
};

/// A place in a kernel's source.
struct Site {
    const char* file;
    int line;
    bool operator==(const Site& other) const { return line == other.line && file == other.file; }
};

std::string to_string(const Site& site);

/// An asynchronous copy of 16 bytes that was issued and not yet waited for.
struct PendingCopy {
    void* shared;
    const void* global;
    unsigned group;
};

struct Block {
    Extent id, size, grid;
    unsigned char* shared;
    size_t shared_bytes;
    int waiting, live;
    Site barrier;
    unsigned barriers_passed;
};

struct Fiber {
    void* stack_pointer;
    Block* block;
    int thread, warp, lane;
    unsigned copy_group;
    std::vector<PendingCopy> copies;
    char* stack;
    void* sanitizer_state;
};

/// The fiber that runs on this OS thread. Never inlined: the address of a thread-local variable must not be kept across a switch.
__attribute__((noinline)) Fiber* current();

/// Ends the launch with a sentence about the current thread.
[[noreturn]] void fail(const std::string& what);

void block_barrier(Site site);
void warp_barrier(Site site);

/// Carries out a collective once for all 32 lanes, when the last one has come; arguments[lane] is what that lane gave.
typedef void (*Collective)(void** arguments);
void warp_collective(Collective operation, void* argument, Site site);

void issue_copy(void* shared, const void* global, Site site);
void commit_copies();
void wait_copies(unsigned groups_left_pending, Site site);

/// Whether KVCHAT_EMULATOR_SKIP=file:line names this barrier or wait. It is then left out, to see that a test notices; at its end the
/// process says how often.
bool is_left_out(Site site);

/// How a checked build (see memory_check.cpp) learns of accesses that the compiler does not instrument; empty otherwise.
struct AccessHooks {
    void (*block_starts)(const Block& block);
    void (*barrier_passed)();
    void (*warp_synced)(int warp);
    void (*copy_issued)(void* shared, const void* global, Site site);
    void (*copy_landed)(void* shared, Site site);
    void (*read)(const void* address, size_t bytes, Site site);
    void (*atomic)(const void* address, size_t bytes, Site site);
};
extern AccessHooks hooks;

enum : int { UPWARDS = 0, DOWNWARDS = 1 };

struct Options {
    int order = UPWARDS;       ///< UPWARDS, DOWNWARDS, or from 2 on the seed of a random order of warps and lanes
    int workers = 0;           ///< OS threads that run blocks; 0 stands for as many as the machine has cores, 4 at most
};

/// A kernel of the one-struct-by-value form.
struct Kernel {
    const char* name;
    void (*invoke)(const void* arguments);
    size_t argument_bytes;
};

void add_kernel(const Kernel& kernel);
const Kernel* find_kernel(const std::string& name);

/// Runs a grid. Returns an empty string, or what went wrong.
std::string launch(const Kernel& kernel, const void* arguments, Extent grid, Extent block, size_t shared_bytes, const Options& options);

template <class Signature> struct Invocation;
template <class Arguments> struct Invocation<void(Arguments)> {
    static constexpr size_t BYTES = sizeof(Arguments);
    template <void (*kernel)(Arguments)> static void invoke(const void* arguments) { kernel(*(const Arguments*)arguments); }
};

struct Registration {
    explicit Registration(const Kernel& kernel) { add_kernel(kernel); }
};

#define KV_JOIN_(a, b) a##b
#define KV_REGISTER(kernel)                                                                                                   \
    static const kv::emulator::Registration KV_JOIN_(registration_of_, kernel)(                                               \
        kv::emulator::Kernel{#kernel, &kv::emulator::Invocation<decltype(kernel)>::invoke<kernel>,                            \
                             kv::emulator::Invocation<decltype(kernel)>::BYTES});
}
