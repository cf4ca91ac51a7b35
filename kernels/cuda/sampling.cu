// The largest numbers of rows, the first of equal ones before the others: a block finds those of 4096 numbers, then of 4096 that were found, until a row is
// one block. What is no number counts as the largest, so that it shows.
#include "linear.h"

namespace kv {

constexpr int kTopThreads = 256, kTopEach = 16, kTopChunk = kTopThreads * kTopEach;

// Ascending by value, then descending by column; 0 is less than any.
KV_DEVICE u64 top_key(float value, int column) {
    const u32 bits = bits_of(value == 0.0f ? 0.0f : value);
    const u32 ordered = value != value ? 0xffffffffu : bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return (u64)ordered << 32 | ~(u32)column;
}

KV_DEVICE u64 maximum(u64 a, u64 b) { return a > b ? a : b; }

KV_DEVICE u64 largest_key(u64 key, u64* shared) {
    KV_UNROLL for (int mask = 16; mask > 0; mask >>= 1) {
        const u32 low = shuffle_xor((u32)key, mask), high = shuffle_xor((u32)(key >> 32), mask);
        key = maximum((u64)high << 32 | low, key);
    }
    if (lane_index() == 0) {
        shared[warp_index()] = key;
    }
    block_sync();
    KV_UNROLL for (int warp = 0; warp < kTopThreads / 32; warp++) {
        key = maximum(shared[warp], key);
    }
    return key;
}

KV_DEVICE void find_top(const TopArguments& a, u64* shared) {
    const int row = block_y(), first = block_x() * kTopChunk + thread_index();
    u64 keys[kTopEach], best = 0;
    KV_UNROLL for (int i = 0; i < kTopEach; i++) {
        const int column = first + i * kTopThreads;
        keys[i] = 0;
        if (column < a.columns) {
            keys[i] = a.values ? top_key(a.values[(u64)row * a.columns + column], column) : a.keys[(u64)row * a.columns + column];
        }
        best = maximum(keys[i], best);
    }
    // A round writes where none that is still read lies: the barrier of the round between parts the two.
    KV_NO_UNROLL for (int i = 0; i < a.count; i++) {
        const u64 found = largest_key(best, shared + (i & 1) * (kTopThreads / 32));
        if (thread_index() == 0) {
            a.output[((u64)row * grid_x() + block_x()) * a.count + i] = found;
        }
        if (found == best) {
            best = 0;
            KV_UNROLL for (int j = 0; j < kTopEach; j++) {
                keys[j] = keys[j] == found ? 0 : keys[j];
                best = maximum(keys[j], best);
            }
        }
    }
}
}

KV_KERNEL void KV_BOUNDS(256) kv_top(kv::TopArguments a) { KV_DYNAMIC_SHARED(shared); kv::find_top(a, (kv::u64*)shared); }
