// What a row's experts made, added in descending order of their share: a thread has a column of a row.
#include "linear.h"

namespace kv {

KV_DEVICE void add_experts(const ExpertArguments& a) {
    const int column = block_y() * block_size() + thread_index(), row = block_x();
    if (column >= a.columns) {
        return;
    }
    float* output = a.output + (u64)row * a.columns + column;
    float sum = a.adds ? *output : 0.0f;
    for (int i = row * a.per_row; i < (row + 1) * a.per_row; i++) {
        sum = fma(a.results[(u64)i * a.columns + column], a.shares[i], sum);
    }
    *output = sum;
}
}

KV_KERNEL void KV_BOUNDS(128) kv_add_experts(kv::ExpertArguments a) { kv::add_experts(a); }
