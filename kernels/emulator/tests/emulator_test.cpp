// Small kernels with one mistake each: the emulator must name it. And their correct twins: it must say nothing.
#include "../../cuda/primitives.h"
#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace kv;

namespace {
#if defined(KV_CHECKED)
constexpr bool CHECKED = true;
#else
constexpr bool CHECKED = false;
#endif

struct Arguments {
    float* out;
    const float* in;
    int flaw;    // 0: none
};

extern "C" {
// Sums its input: lanes by shuffles, warps through shared memory.
void kv_test_sum(Arguments a) {
    KV_DYNAMIC_SHARED(memory);
    float* sums = (float*)memory;
    float v = a.in[thread_index()];
    for (int mask = 16; mask > 0; mask >>= 1) {
        v += shuffle_xor(v, mask);
    }
    if (lane_index() == 0) {
        sums[warp_index()] = v;
    }
    if (a.flaw != 1) {
        block_sync();
    }
    float total = 0;
    for (int w = 0; w < block_size() / 32; w++) {
        total += sums[w];
    }
    if (a.flaw != 2) {
        block_sync();
    }
    if (lane_index() == 0) {
        sums[warp_index()] = total;
    }
    block_sync();
    a.out[block_x() * block_size() + thread_index()] = sums[0];
}

void kv_test_diverge(Arguments a) {
    float v = a.in[thread_index()];
    if (lane_index() < 16 || a.flaw == 0) {
        v += shuffle_xor(v, 1);
    } else {
        v += shuffle_xor(v, 2);
    }
    a.out[thread_index()] = v;
}

void kv_test_barriers(Arguments a) {
    if (a.flaw == 0 || thread_index() < 32) {
        block_sync();
    } else {
        block_sync();
    }
    a.out[thread_index()] = 1;
}

// Half a warp waits for a warp barrier, everybody else for a block barrier.
void kv_test_deadlock(Arguments a) {
    if (a.flaw != 0 && warp_index() == 1 && lane_index() < 16) {
        warp_sync();
    }
    block_sync();
    a.out[thread_index()] = 1;
}

void kv_test_exit(Arguments a) {
    if (a.flaw != 0 && lane_index() == 7) {
        return;
    }
    a.out[thread_index()] = shuffle(a.in[thread_index()], 3);
}

void kv_test_copy(Arguments a) {
    KV_DYNAMIC_SHARED(memory);
    const float* rows = (const float*)memory;
    const int t = thread_index();
    copy_async16(memory + t * 16, a.in + t * 4);
    copy_commit();
    if (a.flaw != 1 && a.flaw != 3) {
        copy_wait<0>();
    }
    if (a.flaw != 2) {
        block_sync();
    }
    a.out[t] = rows[(t + 33) % block_size() * 4];
    if (a.flaw == 1) {
        copy_wait<0>();
    }
}

void kv_test_matrix(Arguments a) {
    KV_DYNAMIC_SHARED(memory);
    const int lane = lane_index();
    ((u32*)memory)[lane] = (u32)lane;
    ((u32*)memory)[lane + 32] = ((u32*)memory)[lane + 64] = ((u32*)memory)[lane + 96] = 0;
    if (a.flaw != 1) {
        warp_sync();
    }
    const Fragment f = ldmatrix4(memory + lane * 16);
    a.out[lane] = (float)(f.r[0] + f.r[1] + f.r[2] + f.r[3]);
}

void kv_test_overrun(Arguments a) {
    KV_DYNAMIC_SHARED(memory);
    float* mine = (float*)memory;
    mine[thread_index() + (a.flaw ? 3 : 0)] = 1;
    a.out[thread_index()] = 1;
}

void kv_test_alignment(Arguments a) {
    const Vector16 v = load16((const char*)a.in + thread_index() * 16 + (a.flaw ? 4 : 0));
    a.out[thread_index()] = float_of(v.x);
}

void kv_test_wild(Arguments a) {
    a.out[thread_index()] = a.flaw ? *(const volatile float*)(u64)(thread_index() + 16) : 1.0f;
}

// Reads shared memory that nobody wrote: poisoned, so the result is NaN.
void kv_test_poison(Arguments a) {
    KV_DYNAMIC_SHARED(memory);
    if (a.flaw == 0) {
        ((float*)memory)[thread_index()] = 1;
    }
    a.out[thread_index()] = ((float*)memory)[thread_index()];
}

// Two blocks write the same words.
void kv_test_blocks(Arguments a) {
    if (a.flaw == 0) {
        atomic_add(a.out + thread_index(), 1.0f);
    } else {
        a.out[thread_index()] = (float)block_x();
    }
}
}

struct Case {
    const char* name;
    void (*kernel)(Arguments);
    int flaw;
    const char* expected;    // a part of what the emulator says; null: nothing
    bool needs_checked_build;
};

const Case CASES[] = {
    {"sum", kv_test_sum, 0, nullptr, false},
    {"sum without the barrier behind its writes", kv_test_sum, 1, "race: ", true},
    {"sum that overwrites what others read", kv_test_sum, 2, "race: ", true},
    {"one shuffle", kv_test_diverge, 0, nullptr, false},
    {"two halves of a warp at different shuffles", kv_test_diverge, 1, "diverged", false},
    {"one barrier", kv_test_barriers, 0, nullptr, false},
    {"different barriers", kv_test_barriers, 1, "block barrier at", false},
    {"all at a barrier", kv_test_deadlock, 0, nullptr, false},
    {"half a warp at a warp barrier, the rest at a block barrier", kv_test_deadlock, 1, "barrier at emulator_test.cpp", false},
    {"all lanes shuffle", kv_test_exit, 0, nullptr, false},
    {"a lane ended before the shuffle", kv_test_exit, 1, "ended", false},
    {"copy, wait, barrier", kv_test_copy, 0, nullptr, false},
    {"copy read before its wait", kv_test_copy, 1, "asynchronous copy is still filling", true},
    {"copy read by others without a barrier", kv_test_copy, 2, "race: ", true},
    {"copy never waited for", kv_test_copy, 3, "asynchronous cop", false},
    {"ldmatrix behind a warp barrier", kv_test_matrix, 0, nullptr, false},
    {"ldmatrix without the warp barrier", kv_test_matrix, 1, "race: ", true},
    {"shared memory used to its end", kv_test_overrun, 0, nullptr, false},
    {"shared memory overrun", kv_test_overrun, 1, "behind the", false},
    {"aligned load", kv_test_alignment, 0, nullptr, false},
    {"misaligned load", kv_test_alignment, 1, "multiple of 16", false},
    {"tame read", kv_test_wild, 0, nullptr, false},
    {"wild read", kv_test_wild, 1, "not allocated", false},
    {"blocks that add", kv_test_blocks, 0, nullptr, false},
    {"blocks that overwrite one another", kv_test_blocks, 1, "race: ", true},
};

int failures;

void expect(bool holds, const std::string& what) {
    if (!holds) {
        failures++;
        printf("FAILED: %s\n", what.c_str());
    }
}

emulator::Kernel kernel_of(const char* name, void (*kernel)(Arguments)) {
    static void (*running)(Arguments);
    running = kernel;
    return {name, [](const void* arguments) { running(*(const Arguments*)arguments); }, sizeof(Arguments)};
}

void run(const Case& c, int order) {
    alignas(16) static float in[512];
    std::vector<float> out(1024, -1.0f);
    for (int i = 0; i < 512; i++) {
        in[i] = (float)(i % 3);
    }
    const Arguments arguments{out.data(), in, c.flaw};
    const unsigned threads = c.kernel == kv_test_matrix ? 32 : 64;
    const size_t shared = c.kernel == kv_test_overrun ? threads * 4 : 2048;
    const unsigned blocks = c.kernel == kv_test_sum || c.kernel == kv_test_blocks ? 3 : 1;
    const std::string said = emulator::launch(kernel_of(c.name, c.kernel), &arguments, {blocks, 1, 1}, {threads, 1, 1}, shared, {order, 2});
    const bool right = c.expected ? said.find(c.expected) != std::string::npos : said.empty();
    expect(right, std::string(c.name) + ", order " + std::to_string(order) + ": \"" + said + "\", expected \""
        + (c.expected ? c.expected : "") + "\"");
    if (c.expected) {
        expect(said.find(c.name) == 0, std::string(c.name) + " is not named");
    }
}

void poisoned_memory_shows() {
    std::vector<float> out(64, 0.0f);
    const Arguments arguments{out.data(), nullptr, 1};
    emulator::launch(kernel_of("poison", kv_test_poison), &arguments, {1, 1, 1}, {64, 1, 1}, 256, {0, 1});
    for (float v : out) {
        expect(v != v, "unwritten shared memory reads as NaN");
    }
}

float within(float mine, float theirs) { return mine == theirs ? 0.0f : std::fabs(mine - theirs) / std::fabs(theirs); }

void mathematics_is_right() {
    for (float x = -100; x < 88; x += 0.0371f) {
        expect(within(kv::exp(x), (float)std::exp((double)x)) < 3e-7f || x < -87, "exp");
        expect(within(kv::tanh(x), (float)std::tanh((double)x)) < 3e-7f, "tanh");
    }
    for (float x = 1e-38f; x < 1e38f; x *= 1.37f) {
        expect(within(kv::log(x), (float)std::log((double)x)) < 3e-7f, "log");
    }
    expect(kv::exp(-200.0f) == 0 && kv::exp(100.0f) == INFINITE && kv::exp(NAN) != kv::exp(NAN), "ends of exp");
    expect(kv::log(0.0f) == -INFINITE && kv::log(-1.0f) != kv::log(-1.0f), "ends of log");
    for (u32 h = 0; h < 0x7c00; h++) {
        expect(F16::down(F16::up((u16)h)) == h && BF16::down(BF16::up((u16)h)) == h, "halves come back");
    }
    expect(round_to_int(2.5f) == 2 && round_to_int(-3.5f) == -4 && round_to_int(1e20f) == 2147483647, "rounding to even");
}
}

int main() {
    for (const Case& c : CASES) {
        if (CHECKED || !c.needs_checked_build) {
            for (int order = 0; order < 5; order++) {
                run(c, order);
            }
        }
    }
    poisoned_memory_shows();
    mathematics_is_right();
    printf("%s: %d failures\n", CHECKED ? "checked" : "plain", failures);
    return failures != 0;
}
