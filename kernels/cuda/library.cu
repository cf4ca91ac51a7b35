// What stands around products that a library makes (cuBLAS): rows in the format of the weights before them, and behind them what it does not do itself.
#include "rows.h"

namespace kv {

// Halves have a small range: a power of two per row brings the largest number to [2^14, 2^15). Brains have that of singles.
template <class Element> KV_DEVICE void round_row(const RoundArguments& a, float* shared) {
    const RowReader row = row_of(a.input, a.weights, a.columns, a.epsilon, shared);
    float factor = 1.0f;
    if (a.factors) {
        float inverse;
        row_factor(largest_of(row, shared + 8), factor, inverse);
        if (thread_index() == 0) {
            a.factors[block_x()] = inverse;
        }
    }
    for (int eight = thread_index(); eight < a.columns / 8; eight += block_size()) {
        float x[8];
        row.take(2 * eight, x);
        row.take(2 * eight + 1, x + 4);
        u32 words[4];
        KV_UNROLL for (int i = 0; i < 4; i++) {
            words[i] = Element::pack(x[2 * i] * factor, x[2 * i + 1] * factor);
        }
        store16(a.output + ((u64)block_x() * a.columns + 8 * eight) * 2, Vector16{words[0], words[1], words[2], words[3]});
    }
}

KV_DEVICE void finish_row(const FinishArguments& a) {
    const int output = block_x() * block_size() + thread_index(), row = block_y();
    if (output < a.outputs) {
        const float y = a.products[(u64)row * a.outputs + output];
        finish(a, row, output, a.factors ? y * a.factors[row] : y);
    }
}
}

KV_KERNEL void KV_BOUNDS(256) kv_round_F16(kv::RoundArguments a) { KV_DYNAMIC_SHARED(shared); kv::round_row<kv::F16>(a, (float*)shared); }
KV_KERNEL void KV_BOUNDS(256) kv_round_BF16(kv::RoundArguments a) { KV_DYNAMIC_SHARED(shared); kv::round_row<kv::BF16>(a, (float*)shared); }
KV_KERNEL void KV_BOUNDS(256) kv_finish(kv::FinishArguments a) { kv::finish_row(a); }
