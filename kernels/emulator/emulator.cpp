// The scheduler of fibers and the pool of OS threads that run blocks.
#include "emulator.h"
#include "fiber_switch.h"
#include <sys/mman.h>
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace kv::emulator {
AccessHooks hooks{};

namespace {
constexpr size_t GUARD = 4096;
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t STACK = 512 << 10;
#else
constexpr size_t STACK = 128 << 10;
#endif

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

/// An address range that ends, and whose parts end, on pages that must not be touched.
struct Mapping {
    char* memory = nullptr;
    size_t bytes = 0;
    Mapping() = default;
    Mapping(const Mapping&) = delete;
    ~Mapping() { release(); }
    void release() {
        if (memory) {
            munmap(memory, bytes);
        }
        memory = nullptr;
    }
    void reserve(size_t size) {
        release();
        memory = (char*)mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) {
            std::abort();
        }
        bytes = size;
    }
};

/// What one OS thread needs to run blocks, kept from launch to launch.
struct Worker {
    Launch* launch = nullptr;
    std::vector<Fiber> fibers;
    std::vector<Warp> warps;
    size_t threads = 0;
    Block block{};
    Mapping stacks, shared;
    size_t stacks_for = 0;
    std::string failure;
    std::minstd_rand random;
    void* scheduler = nullptr;
    void* sanitizer_state = nullptr;
    const void* scheduler_stack = nullptr;
    size_t scheduler_stack_bytes = 0;
};

thread_local Fiber* current_fiber;
thread_local Worker* current_worker;

__attribute__((noinline)) Worker* worker() { return current_worker; }

std::map<std::string, Kernel>& kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}

/// Goes on in another fiber, or in the scheduler (null).
__attribute__((noinline)) void jump(Fiber* from, Fiber* to) {
    Worker& w = *worker();
    current_fiber = to;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(from ? &from->sanitizer_state : &w.sanitizer_state, to ? to->stack : w.scheduler_stack,
        to ? STACK : w.scheduler_stack_bytes);
#endif
    kv_switch_stack(from ? &from->stack_pointer : &w.scheduler, to ? to->stack_pointer : w.scheduler);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(from ? from->sanitizer_state : worker()->sanitizer_state, nullptr, nullptr);
#endif
}

int pick(Worker& w, uint32_t ready) {
    if (w.launch->order == UPWARDS) {
        return __builtin_ctz(ready);
    }
    if (w.launch->order == DOWNWARDS) {
        return 31 - __builtin_clz(ready);
    }
    for (int skipped = (int)(w.random() % (unsigned)__builtin_popcount(ready)); skipped > 0; skipped--) {
        ready &= ready - 1;
    }
    return __builtin_ctz(ready);
}

/// Leaves a fiber that cannot go on for a lane of the same warp that can, else for the scheduler.
void leave(Fiber* fiber) {
    Worker& w = *worker();
    const uint32_t ready = w.warps[fiber->warp].ready;
    jump(fiber, ready ? &w.fibers[fiber->warp * 32 + pick(w, ready)] : nullptr);
}

void release_barrier(Worker& w) {
    for (Warp& warp : w.warps) {
        warp.ready = warp.live;
    }
    w.block.waiting = 0;
    w.block.barriers_passed++;
    if (hooks.barrier_passed) {
        hooks.barrier_passed();
    }
}

void run_fiber() {
#if defined(__SANITIZE_ADDRESS__)
    const void* bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
    if (!worker()->scheduler_stack) {
        worker()->scheduler_stack = bottom;
        worker()->scheduler_stack_bytes = size;
    }
#endif
    worker()->launch->kernel->invoke(worker()->launch->arguments);

    Fiber* fiber = current();
    Worker& w = *worker();
    Warp& warp = w.warps[fiber->warp];
    if (!fiber->copies.empty()) {
        fail("the thread ends while asynchronous copies of it are pending");
    }
    if (warp.arrived) {
        fail("the thread ends while other lanes of its warp wait in a collective at " + to_string(warp.site));
    }
    warp.live &= ~(1u << fiber->lane);
    warp.ready &= ~(1u << fiber->lane);
    if (--w.block.live > 0 && w.block.waiting == w.block.live) {
        release_barrier(w);
    }
    leave(fiber);
    __builtin_unreachable();
}

std::string place(const Worker& w) {
    const Extent& id = w.block.id;
    return std::string(w.launch->kernel->name) + ", block (" + std::to_string(id.x) + ", " + std::to_string(id.y) + ", "
        + std::to_string(id.z) + ")";
}

std::string describe_deadlock(const Worker& w) {
    std::string text = place(w) + ": deadlock.";
    for (size_t i = 0; i < w.warps.size(); i++) {
        const Warp& warp = w.warps[i];
        text += " Warp " + std::to_string(i) + ": ";
        if (warp.arrived) {
            text += std::to_string(__builtin_popcount(warp.arrived)) + " lanes wait in a collective at " + to_string(warp.site) + ".";
        } else {
            text += warp.live ? "waits at a block barrier at " + to_string(w.block.barrier) + "." : "has ended.";
        }
    }
    return text;
}

void prepare_memory(Worker& w, size_t threads, size_t shared_bytes) {
    const size_t slot = STACK + GUARD;
    if (w.stacks_for < threads) {
        w.stacks.reserve(threads * slot);
        for (size_t i = 0; i < threads; i++) {
            mprotect(w.stacks.memory + i * slot, GUARD, PROT_NONE);
        }
        w.stacks_for = threads;
    }
    w.threads = threads;
    w.fibers.resize(threads);
    w.warps.assign((threads + 31) / 32, Warp{});
    const size_t rounded = (shared_bytes + 15) / 16 * 16, pages = (rounded + GUARD - 1) / GUARD * GUARD;
    if (w.shared.bytes != pages + GUARD) {
        w.shared.reserve(pages + GUARD);
        mprotect(w.shared.memory + pages, GUARD, PROT_NONE);
    }
    w.block.shared = (unsigned char*)w.shared.memory + pages - rounded;
    w.block.shared_bytes = rounded;
}

void prepare_block(Worker& w, size_t index) {
    const Extent& grid = w.launch->grid;
    Block& b = w.block;
    b.id = {(unsigned)(index % grid.x), (unsigned)(index / grid.x % grid.y), (unsigned)(index / grid.x / grid.y)};
    b.size = w.launch->block;
    b.grid = grid;
    b.waiting = 0;
    b.live = (int)w.threads;
    b.barriers_passed = 0;
    memset(b.shared, 0xff, b.shared_bytes);
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(w.stacks.memory, w.stacks.bytes);
#endif
    for (size_t i = 0; i < w.warps.size(); i++) {
        const size_t lanes = std::min<size_t>(32, w.threads - i * 32);
        w.warps[i].arrived = 0;
        w.warps[i].live = w.warps[i].ready = lanes == 32 ? ~0u : (1u << lanes) - 1;
    }
    for (size_t i = 0; i < w.threads; i++) {
        Fiber& f = w.fibers[i];
        f.block = &b;
        f.thread = (int)i;
        f.warp = (int)i / 32;
        f.lane = (int)i % 32;
        f.copies.clear();
        f.copy_group = 0;
        f.stack = w.stacks.memory + i * (STACK + GUARD) + GUARD;
        f.sanitizer_state = nullptr;
        f.stack_pointer = prepare_stack(f.stack + STACK, run_fiber);
    }
    if (hooks.block_starts) {
        hooks.block_starts(b);
    }
}

void run_block(Worker& w, size_t index) {
    prepare_block(w, index);
    const size_t warps = w.warps.size();
    while (w.block.live > 0) {
        bool moved = false;
        const size_t shift = w.launch->order > DOWNWARDS ? w.random() : 0;
        for (size_t k = 0; k < warps; k++) {
            const size_t i = w.launch->order == DOWNWARDS ? warps - 1 - k : (k + shift) % warps;
            if (w.warps[i].ready) {
                moved = true;
                jump(nullptr, &w.fibers[i * 32 + pick(w, w.warps[i].ready)]);
                if (!w.failure.empty()) {
                    return;
                }
            }
        }
        if (!moved) {
            w.failure = describe_deadlock(w);
            return;
        }
    }
}

void run_blocks(Launch& launch) {
    static thread_local std::unique_ptr<Worker> kept = std::make_unique<Worker>();
    Worker& w = *kept;
    current_worker = &w;
    w.launch = &launch;
    w.failure.clear();
    w.random.seed((unsigned)launch.order + 7);
    prepare_memory(w, launch.block.volume(), launch.shared_bytes);
    const size_t total = launch.grid.volume();
    for (size_t index; (index = launch.next++) < total;) {
        run_block(w, index);
        if (!w.failure.empty()) {
            std::lock_guard<std::mutex> lock(launch.failing);
            if (launch.failure.empty()) {
                launch.failure = w.failure;
            }
            launch.next = total;
        }
    }
}

/// OS threads that outlive launches; a launch uses as many as it asks for. Never destroyed: a library may be unloaded while they sleep.
class Pool {
public:
    void run(Launch& launch, int workers) {
        std::lock_guard<std::mutex> one_at_a_time(running_);
        std::unique_lock<std::mutex> lock(state_);
        while ((int)threads_.size() < workers) {
            const int number = (int)threads_.size();
            threads_.emplace_back([this, number] { serve(number); });
        }
        launch_ = &launch;
        wanted_ = workers;
        busy_ = workers;
        generation_++;
        start_.notify_all();
        done_.wait(lock, [this] { return busy_ == 0; });
        launch_ = nullptr;
    }

private:
    void serve(int number) {
        unsigned seen = 0;
        std::unique_lock<std::mutex> lock(state_);
        for (;;) {
            start_.wait(lock, [&] { return launch_ && generation_ != seen; });
            seen = generation_;
            if (number >= wanted_) {
                continue;
            }
            Launch& launch = *launch_;
            lock.unlock();
            run_blocks(launch);
            lock.lock();
            if (--busy_ == 0) {
                done_.notify_one();
            }
        }
    }

    std::mutex running_, state_;
    std::condition_variable start_, done_;
    std::vector<std::thread> threads_;
    Launch* launch_ = nullptr;
    int wanted_ = 0, busy_ = 0;
    unsigned generation_ = 0;
};

Pool& pool() {
    static Pool* const only = new Pool;
    return *only;
}
}

std::string to_string(const Site& site) {
    const char* slash = strrchr(site.file, '/');
    return std::string(slash ? slash + 1 : site.file) + ":" + std::to_string(site.line);
}

Fiber* current() { return current_fiber; }

void fail(const std::string& what) {
    Fiber* fiber = current();
    Worker& w = *worker();
    w.failure = place(w) + ", thread " + std::to_string(fiber->thread) + ": " + what + ".";
    jump(fiber, nullptr);
    __builtin_unreachable();
}

void block_barrier(Site site) {
    Fiber* fiber = current();
    Worker& w = *worker();
    Block& block = w.block;
    Warp& warp = w.warps[fiber->warp];
    if (block.waiting > 0 && !(block.barrier == site)) {
        fail("block barrier at " + to_string(site) + " while other threads wait at the one at " + to_string(block.barrier));
    }
    if (warp.arrived) {
        fail("block barrier at " + to_string(site) + " while other lanes of the warp wait in a collective at " + to_string(warp.site));
    }
    block.barrier = site;
    warp.ready &= ~(1u << fiber->lane);
    if (++block.waiting == block.live) {
        release_barrier(w);
        return;
    }
    leave(fiber);
}

static void arrive(Collective operation, void* argument, Site site, bool orders_memory) {
    Fiber* fiber = current();
    Worker& w = *worker();
    Warp& warp = w.warps[fiber->warp];
    if (warp.live != ~0u) {
        fail("warp collective at " + to_string(site) + " in a warp of which lanes have ended or never were");
    }
    if (!warp.arrived) {
        warp.operation = operation;
        warp.site = site;
    } else if (warp.operation != operation || !(warp.site == site)) {
        fail("the warp has diverged: collective at " + to_string(site) + " while other lanes wait in one at " + to_string(warp.site));
    }
    warp.arguments[fiber->lane] = argument;
    warp.arrived |= 1u << fiber->lane;
    warp.ready &= ~(1u << fiber->lane);
    if (warp.arrived == ~0u) {
        warp.arrived = 0;
        warp.ready = ~0u;
        if (operation) {
            operation(warp.arguments);
        }
        if (orders_memory && hooks.warp_synced) {
            hooks.warp_synced(fiber->warp);
        }
        return;
    }
    leave(fiber);
}

void warp_collective(Collective operation, void* argument, Site site) { arrive(operation, argument, site, false); }

void warp_barrier(Site site) { arrive(nullptr, nullptr, site, true); }

void issue_copy(void* shared, const void* global, Site site) {
    Fiber* fiber = current();
    const Block& block = *fiber->block;
    const unsigned char* target = (const unsigned char*)shared;
    if (target < block.shared || target + 16 > block.shared + block.shared_bytes) {
        fail("asynchronous copy at " + to_string(site) + " to an address outside the block's shared memory");
    }
    if (hooks.copy_issued) {
        hooks.copy_issued(shared);
    }
    memset(shared, 0xff, 16);
    fiber->copies.push_back({shared, global, fiber->copy_group});
}

void commit_copies() { current()->copy_group++; }

void wait_copies(unsigned groups_left_pending) {
    Fiber* fiber = current();
    size_t kept = 0;
    for (const PendingCopy& copy : fiber->copies) {
        if (copy.group + groups_left_pending < fiber->copy_group) {
            memcpy(copy.shared, copy.global, 16);
            if (hooks.copy_landed) {
                hooks.copy_landed(copy.shared);
            }
        } else {
            fiber->copies[kept++] = copy;
        }
    }
    fiber->copies.resize(kept);
}

void add_kernel(const Kernel& kernel) { kernels()[kernel.name] = kernel; }

const Kernel* find_kernel(const std::string& name) {
    const auto found = kernels().find(name);
    return found == kernels().end() ? nullptr : &found->second;
}

std::string launch(const Kernel& kernel, const void* arguments, Extent grid, Extent block, size_t shared_bytes, const Options& options) {
    Launch run;
    run.kernel = &kernel;
    run.arguments = arguments;
    run.grid = grid;
    run.block = block;
    run.shared_bytes = shared_bytes;
    run.order = options.order;
    const int wanted = options.workers > 0 ? options.workers : std::min(4, (int)std::max(1u, std::thread::hardware_concurrency()));
    pool().run(run, (int)std::min<size_t>((size_t)wanted, std::max<size_t>(1, grid.volume())));
    return run.failure;
}
}
