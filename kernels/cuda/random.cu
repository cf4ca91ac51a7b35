// Random weights, so that a model of any shape is there without a file: a number hangs on the seed and its place alone. GeneratedWeights.cs is the same for the host, bit for bit.
#include "random.h"

namespace kv {

constexpr int kNumbersOfThread = 8, kDrawsOfQ8 = 4, kDrawsOfQ4K = 17, kWordsOfQ4K = 36;

KV_DEVICE u64 random_thread() { return (u64)block_x() * block_size() + thread_index(); }

// Four uniform numbers of 16 bits added up are normal enough, whole, and exact as singles.
template <class Element> KV_DEVICE void random_numbers(const RandomArguments& a) {
    const u64 from = random_thread() * kNumbersOfThread;
    for (u64 i = from; i < from + kNumbersOfThread && i < a.count; i++) {
        const u64 draw = random_draw(a.seed, a.first + i);
        const int sum = (int)(draw & 65535) + (int)(draw >> 16 & 65535) + (int)(draw >> 32 & 65535) + (int)(draw >> 48) - 2 * 65535;
        ((u16*)a.target)[i] = Element::down((float)sum * a.unit);
    }
}

// -128 is no code of this format.
KV_DEVICE u32 random_code(u32 byte) { return byte == 128 ? 129 : byte; }

KV_DEVICE void random_q8_0(const RandomArguments& a) {
    const u64 block = random_thread();
    if (block >= a.count) {
        return;
    }
    u16* words = (u16*)a.target + block * 17;
    words[0] = (u16)a.scales;
    for (int i = 0; i < kDrawsOfQ8; i++) {
        const u64 draw = random_draw(a.seed, (a.first + block) * kDrawsOfQ8 + i);
        for (int j = 0; j < 4; j++) {
            words[1 + 4 * i + j] = (u16)(random_code((u32)(draw >> (16 * j)) & 255) | random_code((u32)(draw >> (16 * j + 8)) & 255) << 8);
        }
    }
}

// Each group's scale is one of 32 to 63, and its minimum the same, so that weights lie around 0: the minimum's own scale is 7.5 times the other.
KV_DEVICE void random_q4_k(const RandomArguments& a) {
    const u64 block = random_thread();
    if (block >= a.count) {
        return;
    }
    u32* words = (u32*)a.target + block * kWordsOfQ4K;
    const u64 first = (a.first + block) * kDrawsOfQ4K, groups = random_draw(a.seed, first);
    u32 low = 0, high = 0;
    for (int group = 0; group < 4; group++) {
        const u32 early = 32 + (u32)(groups >> (5 * group) & 31), late = 32 + (u32)(groups >> (5 * group + 20) & 31);
        low |= (early | late >> 4 << 6) << (8 * group);
        high |= ((late & 15) * 17) << (8 * group);
    }
    words[0] = a.scales;
    words[1] = low;
    words[2] = low;
    words[3] = high;
    for (int i = 0; i < 16; i++) {
        const u64 draw = random_draw(a.seed, first + 1 + i);
        words[4 + 2 * i] = (u32)draw;
        words[5 + 2 * i] = (u32)(draw >> 32);
    }
}
}

KV_KERNEL void KV_BOUNDS(256) kv_random_F16(kv::RandomArguments a) { kv::random_numbers<kv::F16>(a); }
KV_KERNEL void KV_BOUNDS(256) kv_random_BF16(kv::RandomArguments a) { kv::random_numbers<kv::BF16>(a); }
KV_KERNEL void KV_BOUNDS(256) kv_random_Q8_0(kv::RandomArguments a) { kv::random_q8_0(a); }
KV_KERNEL void KV_BOUNDS(256) kv_random_Q4_K(kv::RandomArguments a) { kv::random_q4_k(a); }
