// Rows as products take them, with the RMS norm before them: a block has a row. A number is the sum of two halves; a power of two per row brings the largest
// to [2^14, 2^15), and numbers that are 2^24 times smaller still keep what a half can hold of them.
#include "rows.h"

namespace kv {

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
    const RowReader reader = row_of(a.input, a.weights, a.columns, a.epsilon, shared);
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
