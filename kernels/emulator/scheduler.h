// What the scheduler (emulator.cpp), the pool of OS threads (workers.cpp) and the catcher of memory faults (faults.cpp) share.
#pragma once
#include "emulator.h"
#include <atomic>
#include <mutex>
#include <random>

namespace kv::emulator {
struct Warp {
    uint32_t live, ready, arrived;
    Collective operation;
    Site site;
    void* arguments[32];
};

struct Launch {
    const Kernel* kernel;
    const void* arguments;
    Extent grid, block;
    size_t shared_bytes;
    int order;
    std::atomic<size_t> next{0};
    std::mutex failing;
    std::string failure;
};

/// Memory of which parts are guard pages.
struct Mapping {
    char* memory = nullptr;
    size_t bytes = 0;
    Mapping() = default;
    Mapping(const Mapping&) = delete;
    ~Mapping();
    void reserve(size_t size);
};

/// What one OS thread needs to run blocks, kept from launch to launch.
struct Worker {
    Launch* launch = nullptr;
    std::vector<Fiber> fibers;
    std::vector<Warp> warps;
    size_t threads = 0;
    Block block{};
    Mapping stacks, shared, fault_stack;
    size_t stacks_for = 0;
    std::string failure;
    std::minstd_rand random;
    void* scheduler = nullptr;
    void* sanitizer_state = nullptr;
    const void* scheduler_stack = nullptr;
    size_t scheduler_stack_bytes = 0;
    uintptr_t fault_address = 0;
};

/// The worker of this OS thread; null on threads that run no blocks.
Worker* worker();
void set_worker(Worker* worker);

void prepare_memory(Worker& worker, size_t threads, size_t shared_bytes);
void run_block(Worker& worker, size_t index);

/// Turns memory faults of fibers on this OS thread into failures of the launch.
void catch_faults(Worker& worker);
}
