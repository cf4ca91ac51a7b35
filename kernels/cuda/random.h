// Random weights made where they stay: arguments, and the numbers that they are made of.
#pragma once
#include "primitives.h"

namespace kv {

/// Blocks of a format in device memory, one behind the other; a block of F16 and BF16 is a number.
struct RandomArguments {
    u8* target;
    u64 seed;
    u64 first;   // number of the first block
    u64 count;   // blocks
    float unit;  // F16, BF16: what a step of the sum of four uniform numbers means
    u32 scales;  // Q8_0: the scale; Q4_K: the scale, and above it the minimum's; as halves
};

/// Number `index` of the sequence that SplitMix64 (Steele, Lea and Flood, 2014) draws from a seed: any of them without those before.
KV_DEVICE u64 random_draw(u64 seed, u64 index) {
    u64 z = seed + (index + 1) * 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}
}
