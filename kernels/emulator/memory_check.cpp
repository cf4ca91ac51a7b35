// The checked build. Kernels are compiled with -fsanitize=thread, so that g++ calls a function before every access; those functions are
// here instead of the sanitizer's, and know CUDA's rules: accesses of two threads to a byte, one of them a write, need a block barrier
// between them, or a warp barrier where both are of one warp. Accesses of two blocks need different launches. Atomics may meet atomics.
#if defined(KV_CHECKED)
#include "scheduler.h"
#include <dlfcn.h>
#include <cstdio>
#include <memory>
#include <unordered_map>

namespace kv::emulator {
namespace {
constexpr size_t PAGE = 4096;
constexpr uint16_t MANY = 0xffff, LANES = 0x8000;    // readers of several warps; several lanes of the warp in the other bits
constexpr uint32_t OTHERS = ~0u;                     // readers of several blocks

/// The last accesses to one byte. Epochs count block barriers and never repeat, so that old entries need no clearing.
struct Cell {
    uint32_t write_epoch, read_epoch, write_warp_epoch, read_warp_epoch, write_block, read_block;
    uint16_t writer, reader;
    bool written_by_atomic, pending;
};

enum class Kind { READ, WRITE, ATOMIC };

uint32_t epoch = 1, launch_epoch = 1, block_number;
uint32_t warp_epochs[32];
std::unordered_map<uintptr_t, std::unique_ptr<Cell[]>> pages;
uintptr_t last_page;
Cell* last_cells;

Cell& cell_at(uintptr_t address) {
    const uintptr_t page = address / PAGE;
    if (page != last_page || !last_cells) {
        std::unique_ptr<Cell[]>& cells = pages[page];
        if (!cells) {
            cells = std::make_unique<Cell[]>(PAGE);
        }
        last_page = page;
        last_cells = cells.get();
    }
    return last_cells[address % PAGE];
}

/// Where the caller of an instrumented access is, as addr2line tells it.
std::string source_of(const void* caller) {
    Dl_info information;
    char line[512] = "";
    if (dladdr(caller, &information) && information.dli_fname) {
        char command[1024];
        const size_t offset = (const char*)caller - (const char*)information.dli_fbase - 1;
        snprintf(command, sizeof command, "addr2line -e '%s' 0x%zx 2> /dev/null", information.dli_fname, offset);
        if (FILE* pipe = popen(command, "r")) {
            if (!fgets(line, sizeof line, pipe)) {
                line[0] = 0;
            }
            pclose(pipe);
        }
    }
    std::string text = line;
    text = text.substr(text.rfind('/') + 1);
    return text.substr(0, text.find_first_of(" \n"));
}

struct Place {
    const void* caller;
    const Site* site;
    std::string text() const { return site ? to_string(*site) : source_of(caller); }
};

bool same_block(uint32_t cell_block, bool shared) { return shared || cell_block == block_number; }

[[noreturn]] void report(const char* what, const char* other, uintptr_t address, int thread, bool shared, const Place& place) {
    const Block& block = *current()->block;
    fail(std::string("race: ") + what + " at " + place.text() + (shared
        ? " of shared memory at byte " + std::to_string(address - (uintptr_t)block.shared) : std::string(" of device memory"))
        + ", which " + (thread < 0 ? std::string("several threads") : "thread " + std::to_string(thread)) + " " + other
        + (shared ? " since the last block barrier, with no warp barrier between them" : " in this launch, with no barrier between them"));
}

/// Whether an access of the past, by that thread, comes before what the current thread does now.
bool ordered(uint32_t then, uint32_t warp_then, uint32_t block, int thread, bool shared) {
    if (then < launch_epoch) {
        return true;
    }
    if (!same_block(block, shared)) {
        return false;
    }
    const Fiber& now = *current();
    return then < epoch || thread == now.thread || (thread / 32 == now.warp && warp_then < warp_epochs[now.warp]);
}

/// Keeps one reader, or that there were several: any of them may meet a later write.
void note_read(Cell& c, const Fiber& f) {
    const bool earlier_launch = c.read_epoch < launch_epoch;
    if (!earlier_launch && c.read_block != block_number) {
        c.read_block = OTHERS;
        c.reader = MANY;
    } else if (earlier_launch || c.read_epoch < epoch) {
        c.read_block = block_number;
        c.reader = (uint16_t)f.thread;
    } else if (c.reader != MANY && c.reader != f.thread) {
        const bool same_warp = (c.reader & ~LANES) / 32 == f.warp;
        c.reader = !same_warp ? MANY
            : c.read_warp_epoch < warp_epochs[f.warp] ? (uint16_t)f.thread : (uint16_t)((unsigned)f.warp * 32 | LANES);
    }
    c.read_epoch = epoch;
    c.read_warp_epoch = warp_epochs[f.warp];
}

bool readers_ordered(const Cell& c, bool shared) {
    if (c.read_epoch < launch_epoch) {
        return true;
    }
    if (!shared && c.read_block != block_number) {
        return false;
    }
    if (c.read_epoch < epoch) {
        return true;
    }
    const Fiber& f = *current();
    if (c.reader == MANY) {
        return false;
    }
    if ((c.reader & ~LANES) / 32 == f.warp && c.read_warp_epoch < warp_epochs[f.warp]) {
        return true;
    }
    return c.reader == f.thread;
}

void check(Cell& c, uintptr_t address, Kind kind, bool shared, const Place& place) {
    const Fiber& f = *current();
    if (shared && c.pending) {
        fail("access at " + place.text() + " to shared memory that an asynchronous copy is still filling");
    }
    const char* what = kind == Kind::READ ? "read" : kind == Kind::WRITE ? "write" : "atomic operation";
    if (!(kind == Kind::ATOMIC && c.written_by_atomic)
        && !ordered(c.write_epoch, c.write_warp_epoch, c.write_block, c.writer, shared)) {
        report(what, "has written", address, c.writer, shared, place);
    }
    if (kind == Kind::READ) {
        note_read(c, f);
        return;
    }
    if (!readers_ordered(c, shared)) {
        const bool several = c.reader == MANY || c.reader & LANES;
        report(what, several ? "have read" : "has read", address, several ? -1 : c.reader, shared, place);
    }
    c.write_epoch = epoch;
    c.write_warp_epoch = warp_epochs[f.warp];
    c.write_block = block_number;
    c.writer = (uint16_t)f.thread;
    c.written_by_atomic = kind == Kind::ATOMIC;
}

bool in_shared(const Block& block, uintptr_t address) {
    return address - (uintptr_t)block.shared < block.shared_bytes;
}

void access(const void* pointer, size_t bytes, Kind kind, const Place& place) {
    const uintptr_t address = (uintptr_t)pointer;
    Worker* w = worker();
    if (!w || !current()) {
        return;
    }
    if (address - (uintptr_t)w->stacks.memory < w->stacks.bytes
        || address - (uintptr_t)w->launch->arguments < w->launch->kernel->argument_bytes) {
        return;
    }
    const bool shared = in_shared(w->block, address);
    for (size_t i = 0; i < bytes; i++) {
        check(cell_at(address + i), address + i, kind, shared, place);
    }
}

void mark_copy(void* shared, bool pending) {
    for (size_t i = 0; i < 16; i++) {
        cell_at((uintptr_t)shared + i).pending = pending;
    }
}

void start_block(const Block& block) {
    epoch++;
    if (block.id.x == 0 && block.id.y == 0 && block.id.z == 0) {
        launch_epoch = epoch;
        block_number = 0;
    }
    block_number++;
    for (size_t i = 0; i < block.shared_bytes; i++) {
        cell_at((uintptr_t)block.shared + i) = Cell{};
    }
}

void issue(void* shared, const void* global, Site site) {
    access(shared, 16, Kind::WRITE, {nullptr, &site});
    access(global, 16, Kind::READ, {nullptr, &site});
    mark_copy(shared, true);
}

void land(void* shared, Site site) {
    mark_copy(shared, false);
    access(shared, 16, Kind::WRITE, {nullptr, &site});
}

struct Install {
    Install() {
        hooks.block_starts = start_block;
        hooks.barrier_passed = [] { epoch++; };
        hooks.warp_synced = [](int warp) { warp_epochs[warp]++; };
        hooks.copy_issued = issue;
        hooks.copy_landed = land;
        hooks.read = [](const void* address, size_t bytes, Site site) { access(address, bytes, Kind::READ, {nullptr, &site}); };
        hooks.atomic = [](const void* address, size_t bytes, Site site) { access(address, bytes, Kind::ATOMIC, {nullptr, &site}); };
    }
} const install;
}
}

using kv::emulator::access;
using kv::emulator::Kind;

#define KV_CALLER kv::emulator::Place{__builtin_return_address(0), nullptr}
#define KV_SIZED(bytes)                                                                                                       \
    extern "C" void __tsan_read##bytes(void* p) { access(p, bytes, Kind::READ, KV_CALLER); }                                  \
    extern "C" void __tsan_write##bytes(void* p) { access(p, bytes, Kind::WRITE, KV_CALLER); }                                \
    extern "C" void __tsan_unaligned_read##bytes(void* p) { access(p, bytes, Kind::READ, KV_CALLER); }                        \
    extern "C" void __tsan_unaligned_write##bytes(void* p) { access(p, bytes, Kind::WRITE, KV_CALLER); }
KV_SIZED(1)
KV_SIZED(2)
KV_SIZED(4)
KV_SIZED(8)
KV_SIZED(16)
extern "C" void __tsan_read_range(void* p, size_t bytes) { access(p, bytes, Kind::READ, KV_CALLER); }
extern "C" void __tsan_write_range(void* p, size_t bytes) { access(p, bytes, Kind::WRITE, KV_CALLER); }
extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit() {}
extern "C" void __tsan_vptr_update(void**, void*) {}
extern "C" void __tsan_vptr_read(void**) {}
extern "C" void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

// The primitives' atomics: checked as such by their hook before they come here.
#define KV_ATOMIC(bits, type)                                                                                                 \
    extern "C" type __tsan_atomic##bits##_load(const volatile type* p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }  \
    extern "C" int __tsan_atomic##bits##_compare_exchange_weak(volatile type* p, type* seen, type next, int, int) {           \
        return __atomic_compare_exchange_n(p, seen, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                         \
    }                                                                                                                         \
    extern "C" int __tsan_atomic##bits##_compare_exchange_strong(volatile type* p, type* seen, type next, int, int) {         \
        return __atomic_compare_exchange_n(p, seen, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                         \
    }
KV_ATOMIC(32, unsigned)
KV_ATOMIC(64, unsigned long)
#endif
