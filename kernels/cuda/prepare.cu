// Rows as products take them, with the RMS norm before them: a block has a row. A number is the sum of two halves; a power of two per row brings the largest
// to [2^14, 2^15), and numbers that are 2^24 times smaller still keep what a half can hold of them.
#include "linear.h"

namespace kv {

// The power of two that brings a magnitude to [2^14, 2^15), and its inverse; both are normal numbers.
KV_DEVICE void row_factor(float magnitude, float& factor, float& inverse) {
    const int exponent = maximum((int)(bits_of(magnitude) >> 23 & 255u) - 127, -112);
    factor = power_of_two(14 - exponent);
    inverse = power_of_two(exponent - 14);
}

struct RowReader {
    const PrepareArguments& a;
    const float* input;
    float factor;  // of the norm

    KV_DEVICE void take(int quad, float* x) const {
        const Vector16 v = load16(input + 4 * quad);
        x[0] = float_of(v.x); x[1] = float_of(v.y); x[2] = float_of(v.z); x[3] = float_of(v.w);
        if (a.weights) {
            const Vector16 w = load16(a.weights + 4 * quad);
            x[0] = x[0] * factor * float_of(w.x);
            x[1] = x[1] * factor * float_of(w.y);
            x[2] = x[2] * factor * float_of(w.z);
            x[3] = x[3] * factor * float_of(w.w);
        }
    }
};

KV_DEVICE float mean_square(const PrepareArguments& a, const float* input, float* shared) {
    float sum = 0.0f;
    for (int quad = thread_index(); quad < a.columns / 4; quad += block_size()) {
        const Vector16 v = load16(input + 4 * quad);
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
    return sum / (float)a.columns;
}

KV_DEVICE float largest_of(const RowReader& row, float* shared) {
    float largest = 0.0f;
    for (int quad = thread_index(); quad < row.a.columns / 4; quad += block_size()) {
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

// Four numbers as two halves each, in the order of products.h; gives the sum of what they hold.
KV_DEVICE float split(const float* x, float factor, void* target) {
    const float a[4] = {x[0] * factor, x[2] * factor, x[1] * factor, x[3] * factor};
    u32 words[4];
    float sums[2];
    KV_UNROLL for (int i = 0; i < 2; i++) {
        words[i] = F16::pack(a[2 * i], a[2 * i + 1]);
        const Float2 upper = F16::unpack(words[i]);
        words[2 + i] = F16::pack(a[2 * i] - upper.x, a[2 * i + 1] - upper.y);
        const Float2 lower = F16::unpack(words[2 + i]);
        sums[i] = (upper.x + lower.x) + (upper.y + lower.y);
    }
    store16(target, Vector16{words[0], words[1], words[2], words[3]});
    return sums[0] + sums[1];
}

KV_DEVICE void prepare(const PrepareArguments& a, float* shared) {
    const int row = block_x();
    RowReader reader{a, a.input + (u64)row * a.columns, 1.0f};
    if (a.weights) {
        reader.factor = rsqrt(mean_square(a, reader.input, shared) + a.epsilon);
    }
    float factor, inverse;
    row_factor(largest_of(reader, shared + 8), factor, inverse);
    if (thread_index() == 0) {
        a.factors[row] = inverse;
    }
    for (int first = 0; first < a.columns / 4; first += block_size()) {
        const int quad = first + thread_index();
        float sum = 0.0f;
        if (quad < a.columns / 4) {
            float x[4];
            reader.take(quad, x);
            sum = split(x, factor, a.output + ((u64)row * a.columns + 4 * quad) * 4);
        }
        sum = sum + shuffle_xor(sum, 1);
        sum = sum + shuffle_xor(sum, 2);
        if (quad < a.columns / 4 && (quad & 3) == 0) {
            a.sums[(u64)row * a.sums_stride + quad / 4] = sum;
        }
    }
}
}

KV_KERNEL void KV_BOUNDS(256) kv_prepare(kv::PrepareArguments a) { KV_DYNAMIC_SHARED(shared); kv::prepare(a, (float*)shared); }
