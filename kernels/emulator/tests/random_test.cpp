// Random weights against SplitMix64 as it is written everywhere, one number after the other, against blocks put together number by number, and against the spread that was asked for.
#include <cmath>
#include "../../cuda/random.h"
#include "../../cuda/weight_blocks.h"
#include "launching.h"

using namespace kv;
using namespace kv::test;

namespace {

struct SplitMix {
    u64 state;
    u64 next() {
        u64 z = (state += 0x9E3779B97F4A7C15ull);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        return z ^ (z >> 31);
    }
};

constexpr u64 kSeed = 1234567;

// The first numbers of this seed are published (Rosetta Code, "Pseudo-random numbers/Splitmix64").
bool sequence() {
    const u64 published[] = {6457827717110365317ull, 3203168211198807973ull, 9817491932198370423ull, 4593380528125082431ull, 16408922859458223821ull};
    SplitMix numbers{kSeed};
    for (int i = 0; i < 5; i++) {
        const u64 next = numbers.next();
        if (!equal("sequence", i, (i64)next, (i64)published[i]) || !equal("by place", i, (i64)random_draw(kSeed, i), (i64)published[i])) return false;
    }
    return true;
}

// What stands behind the last block must stay.
constexpr u8 kUntouched = 0xA5;

template <class Element> bool numbers(const char* name, int first, int count) {
    const float unit = 0.02f / 37837.2f;
    Memory<u16> target(count + 8);
    for (int i = 0; i < count + 8; i++) target[i] = kUntouched;
    launch(name, RandomArguments{(u8*)target.get(), kSeed, (u64)first, (u64)count, unit, 0}, (count + 2047) / 2048, 1, 256, 0);
    SplitMix draws{kSeed};
    for (int i = 0; i < first; i++) draws.next();
    double squares = 0, sum = 0;
    for (int i = 0; i < count; i++) {
        const u64 draw = draws.next();
        int steps = -131070;
        for (int piece = 0; piece < 4; piece++) steps += (int)(draw >> (16 * piece) & 0xffff);
        if (!equal(name, i, target[i], Element::down((float)steps * unit))) return false;
        const double value = Element::up(target[i]);
        sum += value;
        squares += value * value;
    }
    for (int i = count; i < count + 8; i++) {
        if (!equal("behind the last", i, target[i], kUntouched)) return false;
    }
    return close("mean", 0, sum / count, 0, 0.002) && close("deviation", 0, std::sqrt(squares / count), 0.02, 0.001);
}

template <class Weights> bool blocks(const char* name, int bytes, int columns, int first, int count, u32 scales, double deviation) {
    Memory<u8> target((size_t)count * bytes + 16), other((size_t)count * bytes + 16);
    for (int i = 0; i < count * bytes + 16; i++) target[i] = kUntouched;
    launch(name, RandomArguments{target.get(), kSeed, (u64)first, (u64)count, 0, scales}, (count + 255) / 256, 1, 256, 0);
    for (int i = count * bytes; i < count * bytes + 16; i++) {
        if (!equal("behind the last", i, target[i], kUntouched)) return false;
    }
    double squares = 0, sum = 0;
    for (int block = 0; block < count; block++) {
        for (int group = 0; group < columns / 16; group++) {
            float w[16];
            Weights::group(target.get() + (size_t)block * bytes, group, w);
            for (float x : w) sum += x, squares += (double)x * x;
        }
    }
    const double numbers = (double)count * columns;
    if (!close("mean of blocks", 0, sum / numbers, 0, deviation / 20) || !close("deviation of blocks", 0, std::sqrt(squares / numbers), deviation, deviation / 30)) return false;

    // A block hangs on its own place alone.
    launch(name, RandomArguments{other.get(), kSeed, (u64)first + 1, (u64)count - 1, 0, scales}, (count + 255) / 256, 1, 256, 0);
    for (int i = 0; i < (count - 1) * bytes; i++) {
        if (!equal("moved by a block", i, other[i], target[i + bytes])) return false;
    }
    return true;
}

// Codes and scales of single blocks, from the draws.
bool contents() {
    Memory<u8> q8(2 * 34), q4(2 * 144);
    launch("kv_random_Q8_0", RandomArguments{q8.get(), kSeed, 0, 2, 0, 0x1234}, 1, 1, 256, 0);
    launch("kv_random_Q4_K", RandomArguments{q4.get(), kSeed, 0, 2, 0, 0x56781234}, 1, 1, 256, 0);
    SplitMix draws{kSeed}, others{kSeed};
    for (int block = 0; block < 2; block++) {
        const u8* at = q8.get() + 34 * block;
        if (!equal("scale", block, at[0] | at[1] << 8, 0x1234)) return false;
        for (int i = 0; i < 32; i += 8) {
            const u64 draw = draws.next();
            for (int j = 0; j < 8; j++) {
                const int code = (i8)(draw >> (8 * j));
                if (!equal("code of Q8_0", i + j, (i8)at[2 + i + j], code == -128 ? -127 : code)) return false;
            }
        }
        at = q4.get() + 144 * block;
        if (!equal("scales", block, (i64)*(const u32*)at, 0x56781234)) return false;
        const u64 groups = others.next();
        for (int group = 0; group < 8; group++) {
            const u8* p = at + 4;
            const int scale = group < 4 ? p[group] & 63 : (p[group + 4] & 15) | (p[group - 4] >> 6 << 4), minimum = group < 4 ? p[group + 4] & 63 : (p[group + 4] >> 4) | (p[group] >> 6 << 4);
            const int expected = 32 + (int)(groups >> (5 * group) & 31);
            if (!equal("scale of a group", group, scale, expected) || !equal("minimum of a group", group, minimum, expected)) return false;
        }
        for (int i = 0; i < 128; i += 8) {
            const u64 draw = others.next();
            for (int j = 0; j < 8; j++) {
                if (!equal("codes of Q4_K", i + j, at[16 + i + j], (u8)(draw >> (8 * j)))) return false;
            }
        }
    }
    return true;
}

}  // namespace

int main() {
    int failed = !sequence() + !contents();
    failed += !numbers<F16>("kv_random_F16", 5, 4099) + !numbers<BF16>("kv_random_BF16", 0, 5000);

    // A uniform byte, -128 taken for -127, has a deviation of 73.895; codes 0 to 15 have 4.6098, and scales 32 to 63 a root of the mean square of 48.389.
    failed += !blocks<WeightsQ8_0>("kv_random_Q8_0", 34, 32, 3, 600, F16::down((float)(0.01 / 73.895)), 0.01);
    const float step = (float)(0.01 / (4.6098 * 48.389));
    failed += !blocks<WeightsQ4_K>("kv_random_Q4_K", 144, 256, 1, 300, F16::down(step) | (u32)F16::down(7.5f * step) << 16, 0.01);
    std::printf("%d cases failed\n", failed);
    return failed != 0;
}
