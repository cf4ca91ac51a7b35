// A fixed random rotation (TurboQuant, arXiv 2504.19874): signs, then a Hadamard transform by blocks of powers of two, 80 being 64 and 16. What is turned looks like draws from a normal
// distribution; keys then get the levels of one in place of a uniform grid. Hadamard.cs and KvCodec.cs do the same on the processor.
#pragma once
#include "warps.h"

namespace kv {

constexpr int kSignWords = 8;  // of heads of up to 256 numbers

// A bit per coordinate, set where the sign changes; host code fills it.
struct TurningSigns {
    u32 words[kSignWords];
};

KV_DEVICE void change_signs(float* x, int length, const TurningSigns& signs, int lane) {
    for (int i = lane; i < length; i += 32) {
        x[i] = signs.words[i >> 5] >> lane & 1u ? -x[i] : x[i];
    }
}

// The length is a power of two.
KV_DEVICE void transform_block(float* x, int length, int lane) {
    for (int half = 1; half < length; half *= 2) {
        warp_sync();
        for (int i = lane; i < length / 2; i += 32) {
            float* at = x + i + (i & -half);
            const float a = at[0], b = at[half];
            at[0] = a + b;
            at[half] = a - b;
        }
    }
    warp_sync();
    const float norm = 1.0f / sqrt((float)length);
    for (int i = lane; i < length; i += 32) {
        x[i] *= norm;
    }
}

KV_DEVICE void transform_blocks(float* x, int length, int lane) {
    while (length > 0) {
        int block = 8;
        while (2 * block <= length) {
            block *= 2;
        }
        transform_block(x, block, lane);
        x += block;
        length -= block;
    }
}

// One warp turns a vector in place; its length is a multiple of 8. Coordinate i is lane i % 32's before and after.
KV_DEVICE void turn(float* x, int length, const TurningSigns& signs, int lane) {
    change_signs(x, length, signs, lane);
    transform_blocks(x, length, lane);
    warp_sync();
}

KV_DEVICE void turn_back(float* x, int length, const TurningSigns& signs, int lane) {
    transform_blocks(x, length, lane);
    warp_sync();
    change_signs(x, length, signs, lane);
}

// The eight upper levels of Lloyd and Max for a normal distribution, times 127 / 2.7326, the smallest in the lowest byte; the lower eight are their negatives.
constexpr u64 kNormalLevels = 0x7f604b3a2c1f1206ull;
constexpr float kLevelsPerDeviation = 127.0f / 2.7326f;

// Sizes of levels that are tried, in parts of the one that suits a normal distribution: 0.76, 0.84 ... 1.24.
constexpr int kLevelSizes = 7;
constexpr float kLeastSize = 9.5f, kSizeStep = 0.08f;

// Ranges of values that are tried, in parts of the one that holds them all: 1, 0.92 ... 0.6.
constexpr int kRanges = 6, kWidestRange = 25;
constexpr float kRangeStep = 0.04f;

KV_DEVICE u32 level_magnitude(u32 code) { return (u32)(kNormalLevels >> ((code < 8u ? 7u - code : code - 8u) * 8u)) & 255u; }

KV_DEVICE float normal_level(u32 code) { return code < 8u ? -(float)level_magnitude(code) : (float)level_magnitude(code); }

// Index of the upper level that is nearest to a magnitude.
KV_DEVICE u32 nearest_level(float magnitude) {
    u32 level = magnitude > 51.0f ? 4u : 0u;
    level += magnitude > (level ? 85.5f : 24.5f) ? 2u : 0u;
    const float limit = level == 0u ? 12.0f : level == 2u ? 37.5f : level == 4u ? 66.5f : 111.5f;
    return level + (magnitude > limit ? 1u : 0u);
}

KV_DEVICE u32 normal_code(float scaled) { return scaled < 0.0f ? 7u - nearest_level(absolute(scaled)) : 8u + nearest_level(absolute(scaled)); }

}  // namespace kv
