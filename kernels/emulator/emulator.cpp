// The scheduler: fibers, their stacks, what barriers and collectives do to them.
#include "scheduler.h"
#include "fiber_switch.h"
#include <sys/mman.h>
#include <algorithm>
#include <cstdlib>
#include <cstring>
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

thread_local Fiber* current_fiber;
thread_local Worker* current_worker;

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

static void prepare_block(Worker& w, size_t index) {
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

std::string to_string(const Site& site) {
    const char* slash = strrchr(site.file, '/');
    return std::string(slash ? slash + 1 : site.file) + ":" + std::to_string(site.line);
}

Fiber* current() { return current_fiber; }

__attribute__((noinline)) Worker* worker() { return current_worker; }

void set_worker(Worker* worker) { current_worker = worker; }

Mapping::~Mapping() {
    if (memory) {
        munmap(memory, bytes);
    }
}

void Mapping::reserve(size_t size) {
    if (memory) {
        munmap(memory, bytes);
    }
    memory = (char*)mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        std::abort();
    }
    bytes = size;
}

void fail(const std::string& what) {
    Fiber* fiber = current();
    Worker& w = *worker();
    w.failure = place(w) + ", thread " + std::to_string(fiber->thread) + ": " + what + ".";
    jump(fiber, nullptr);
    __builtin_unreachable();
}

void block_barrier(Site site) {
    if (is_left_out(site)) {
        return;
    }
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

void warp_barrier(Site site) {
    if (!is_left_out(site)) {
        arrive(nullptr, nullptr, site, true);
    }
}

void issue_copy(void* shared, const void* global, Site site) {
    Fiber* fiber = current();
    const Block& block = *fiber->block;
    const unsigned char* target = (const unsigned char*)shared;
    if (target < block.shared || target + 16 > block.shared + block.shared_bytes) {
        fail("asynchronous copy at " + to_string(site) + " to an address outside the block's shared memory");
    }
    if (hooks.copy_issued) {
        hooks.copy_issued(shared, global, site);
    }
    memset(shared, 0xff, 16);
    fiber->copies.push_back({shared, global, fiber->copy_group});
}

void commit_copies() { current()->copy_group++; }

void wait_copies(unsigned groups_left_pending, Site site) {
    if (is_left_out(site)) {
        return;
    }
    Fiber* fiber = current();
    size_t kept = 0;
    for (const PendingCopy& copy : fiber->copies) {
        if (copy.group + groups_left_pending < fiber->copy_group) {
            memcpy(copy.shared, copy.global, 16);
            if (hooks.copy_landed) {
                hooks.copy_landed(copy.shared, site);
            }
        } else {
            fiber->copies[kept++] = copy;
        }
    }
    fiber->copies.resize(kept);
}
}
