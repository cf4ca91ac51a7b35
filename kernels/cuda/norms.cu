// RMS norms: a warp has a row. Lanes add squares of every 32nd number, then are added in pairs.
#include "linear.h"

namespace kv {

KV_DEVICE void norm(const NormArguments& a) {
    const int lane = lane_index(), row = block_x();
    const float* input = a.input + (u64)row * a.columns;
    float* output = a.output + (u64)row * a.columns;
    float sum = 0.0f;
    for (int i = lane; i < a.columns; i += 32) {
        sum = fma(input[i], input[i], sum);
    }
    KV_UNROLL for (int mask = 16; mask > 0; mask >>= 1) {
        sum = sum + shuffle_xor(sum, mask);
    }
    const float factor = rsqrt(sum / (float)a.columns + a.epsilon);
    for (int i = lane; i < a.columns; i += 32) {
        const float y = input[i] * factor * a.weights[i];
        output[i] = a.adds ? fma(y, a.scale, output[i]) : y * a.scale;
    }
}
}

KV_KERNEL void KV_BOUNDS(32) kv_norm(kv::NormArguments a) { kv::norm(a); }
