// Rows on their way to products: the RMS norm before them, and the power of two that brings their largest number to [2^14, 2^15). A block has a row.
#pragma once
#include "linear.h"

namespace kv {

// The power of two that brings a magnitude to [2^14, 2^15), and its inverse; both are normal numbers.
KV_DEVICE void row_factor(float magnitude, float& factor, float& inverse) {
    const int exponent = maximum((int)(bits_of(magnitude) >> 23 & 255u) - 127, -112);
    factor = power_of_two(14 - exponent);
    inverse = power_of_two(exponent - 14);
}

struct RowReader {
    const float* input;
    const float* weights;  // of the norm; null for none
    int columns;
    float factor;  // of the norm

    KV_DEVICE void take(int quad, float* x) const {
        const Vector16 v = load16(input + 4 * quad);
        x[0] = float_of(v.x); x[1] = float_of(v.y); x[2] = float_of(v.z); x[3] = float_of(v.w);
        if (weights) {
            const Vector16 w = load16(weights + 4 * quad);
            x[0] = x[0] * factor * float_of(w.x);
            x[1] = x[1] * factor * float_of(w.y);
            x[2] = x[2] * factor * float_of(w.z);
            x[3] = x[3] * factor * float_of(w.w);
        }
    }
};

KV_DEVICE float mean_square(const RowReader& row, float* shared) {
    float sum = 0.0f;
    for (int quad = thread_index(); quad < row.columns / 4; quad += block_size()) {
        const Vector16 v = load16(row.input + 4 * quad);
        sum = fma(float_of(v.x), float_of(v.x), sum);
        sum = fma(float_of(v.y), float_of(v.y), sum);
        sum = fma(float_of(v.z), float_of(v.z), sum);
        sum = fma(float_of(v.w), float_of(v.w), sum);
    }
    KV_UNROLL for (int mask = 16; mask > 0; mask >>= 1) {
        sum = sum + shuffle_xor(sum, mask);
    }
    if (lane_index() == 0) {
        shared[warp_index()] = sum;
    }
    block_sync();
    sum = 0.0f;
    for (int warp = 0; warp < block_size() >> 5; warp++) {
        sum = sum + shared[warp];
    }
    return sum / (float)row.columns;
}

KV_DEVICE float largest_of(const RowReader& row, float* shared) {
    float largest = 0.0f;
    for (int quad = thread_index(); quad < row.columns / 4; quad += block_size()) {
        float x[4];
        row.take(quad, x);
        KV_UNROLL for (int i = 0; i < 4; i++) {
            largest = maximum(absolute(x[i]), largest);
        }
    }
    KV_UNROLL for (int mask = 16; mask > 0; mask >>= 1) {
        largest = maximum(shuffle_xor(largest, mask), largest);
    }
    if (lane_index() == 0) {
        shared[warp_index()] = largest;
    }
    block_sync();
    for (int warp = 0; warp < block_size() >> 5; warp++) {
        largest = maximum(shared[warp], largest);
    }
    return largest;
}

// A reader of the block's row, with the factor of its norm. All threads come here; shared memory has a float a warp.
KV_DEVICE RowReader row_of(const float* input, const float* weights, int columns, float epsilon, float* shared) {
    RowReader row{input + (u64)block_x() * columns, weights, columns, 1.0f};
    if (weights) {
        row.factor = rsqrt(mean_square(row, shared) + epsilon);
    }
    return row;
}
}
