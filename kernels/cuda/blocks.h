// Running sums over the 256 threads of a block.
#pragma once
#include "primitives.h"

namespace kv {

constexpr int kBlockThreads = 256;

struct BlockSums {
    u32 sums[2][kBlockThreads];
};

// Sum over this thread and those before it. Every thread of the block calls it; the next call may follow at once.
KV_DEVICE u32 running_sum(BlockSums& scratch, u32 value) {
    const int at = thread_index();
    int from = 0;
    scratch.sums[0][at] = value;
    block_sync();
    for (int step = 1; step < kBlockThreads; step *= 2) {
        scratch.sums[1 - from][at] = scratch.sums[from][at] + (at >= step ? scratch.sums[from][at - step] : 0u);
        from = 1 - from;
        block_sync();
    }
    return scratch.sums[from][at];
}

}  // namespace kv
