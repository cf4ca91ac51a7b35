// Linear layers in singles, for weights that are singles and for rows that are no whole number of 16 columns: a warp has one output of some rows. A lane adds the products of columns 16 l .. 16 l + 15, 16 (l + 32) .., in order; then lanes are
// added in pairs. The order depends on the number of columns alone, so a row's bits do not depend on how many rows come with it.
#include "linear.h"

namespace kv {
constexpr int kGroup = 16;

template <class Weights, int Rows> KV_DEVICE void add_group(const LinearArguments& a, const u8* weights, const float* input, int group, float* sums) {
    float w[kGroup];
    Weights::group(weights, group, w);
    KV_UNROLL for (int r = 0; r < Rows; r++) {
        KV_UNROLL for (int i = 0; i < kGroup; i += 4) {
            const Vector16 x = load16(input + (u64)r * a.columns + group * kGroup + i);
            sums[r] = fma(w[i], float_of(x.x), sums[r]);
            sums[r] = fma(w[i + 1], float_of(x.y), sums[r]);
            sums[r] = fma(w[i + 2], float_of(x.z), sums[r]);
            sums[r] = fma(w[i + 3], float_of(x.w), sums[r]);
        }
    }
}

// Rows whose length is no multiple of 16 are not aligned: number by number, in the same order.
template <class Weights, int Rows> KV_DEVICE void add_plain(const LinearArguments& a, const u8* weights, const float* input, int group, float* sums) {
    const int end = minimum((group + 1) * kGroup, a.columns);
    KV_NO_UNROLL for (int k = group * kGroup; k < end; k++) {
        const float w = Weights::at(weights, k);
        KV_UNROLL for (int r = 0; r < Rows; r++) {
            sums[r] = fma(w, input[(u64)r * a.columns + k], sums[r]);
        }
    }
}

template <class Weights, int Rows> KV_DEVICE void multiply(const LinearArguments& a, int first, int output) {
    const int lane = lane_index(), groups = ceiling_divide(a.columns, kGroup);
    const u8* weights = a.weights + output * a.row_bytes;
    const float* input = a.input + (u64)first * a.columns;
    float sums[Rows];
    KV_UNROLL for (int r = 0; r < Rows; r++) {
        sums[r] = 0.0f;
    }
    if (!Weights::kPlain || a.columns % kGroup == 0) {
        KV_NO_UNROLL for (int group = lane; group < groups; group += 32) {
            add_group<Weights, Rows>(a, weights, input, group, sums);
        }
    } else {
        KV_NO_UNROLL for (int group = lane; group < groups; group += 32) {
            add_plain<Weights, Rows>(a, weights, input, group, sums);
        }
    }
    KV_UNROLL for (int r = 0; r < Rows; r++) {
        KV_UNROLL for (int mask = 16; mask > 0; mask >>= 1) {
            sums[r] = sums[r] + shuffle_xor(sums[r], mask);
        }
        if (lane == 0) {
            finish(a, first + r, output, sums[r]);
        }
    }
}

// Blocks in y have 8 rows each; those that are left over come one by one.
template <class Weights> KV_DEVICE void linear(const LinearArguments& a) {
    const int output = block_x() * (block_size() >> 5) + warp_index(), first = block_y() * 8;
    if (output >= a.outputs) {
        return;
    }
    if (a.rows - first >= 8) {
        multiply<Weights, 8>(a, first, output);
    } else {
        KV_NO_UNROLL for (int row = first; row < a.rows; row++) {
            multiply<Weights, 1>(a, row, output);
        }
    }
}

KV_DEVICE void gate(const GateArguments& a) {
    const int i = block_x() * block_size() + thread_index(), row = block_y();
    if (i >= a.columns) {
        return;
    }
    const float* products = a.products + (u64)row * 2 * a.columns;
    const float g = products[i], up = products[a.columns + i];
    // g (1 + tanh u) / 2 = g / (1 + exp(-2 u)) with u = sqrt(2 / pi) (g + 0.044715 g^3).
    const float exponent = a.gelu ? fma(g * g * 0.044715f, g, g) * -1.5957691f : -g;
    a.output[(u64)row * a.columns + i] = g / (1.0f + exp(minimum(exponent, 88.0f))) * up;
}
}

#define KV_LINEAR(format) KV_KERNEL void KV_BOUNDS(128) kv_linear_##format(kv::LinearArguments a) { kv::linear<kv::Weights##format>(a); }
KV_LINEAR(F32)
KV_LINEAR(F16)
KV_LINEAR(BF16)
KV_KERNEL void KV_BOUNDS(128) kv_gate(kv::GateArguments a) { kv::gate(a); }
