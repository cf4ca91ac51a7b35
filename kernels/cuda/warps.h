// Sums and largest numbers over a warp, the same in every lane.
#pragma once
#include "primitives.h"

namespace kv {

KV_DEVICE float warp_sum(float x) {
    KV_UNROLL for (int mask = 16; mask; mask >>= 1) {
        x += shuffle_xor(x, mask);
    }
    return x;
}

KV_DEVICE float warp_maximum(float x) {
    KV_UNROLL for (int mask = 16; mask; mask >>= 1) {
        x = maximum(shuffle_xor(x, mask), x);
    }
    return x;
}

}  // namespace kv
