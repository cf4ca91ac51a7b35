// Attention of 16 queries over a tile of 32 KVs on tensor cores, by one warp. A lane holds what an Accumulator says: rows lane / 4 and lane / 4 + 8, of each
// eight columns two.
//
// Queries and probabilities are single precision, tensor cores take 16 bits: a number is split into parts whose sum it is, so that products are as good as
// those of singles. Two halves hold 22 bits: queries are brought to at most 2^15 by a power of two per row, probabilities likewise, and the second half of
// a probability is made 2^12 larger and summed apart, so that it does not vanish. Brains have the range of singles and need three parts.
#pragma once
#include "attention_tiles.h"

namespace kv {

constexpr int kQueries = 16;

template <class T> struct Precision;
template <> struct Precision<F16> {
    static constexpr int PARTS = 2;
    static constexpr bool SCALED = true;
};
template <> struct Precision<BF16> {
    static constexpr int PARTS = 3;
    static constexpr bool SCALED = false;
};

constexpr float kLowerPart = 4096.0f;

// The power of two that brings a magnitude to [2^14, 2^15), and its inverse.
KV_DEVICE void normalizer(float magnitude, float& factor, float& inverse) {
    int exponent = (int)(bits_of(magnitude) >> 23 & 255u) - 127;
    exponent = minimum(maximum(exponent, -100), 100);
    factor = power_of_two(14 - exponent);
    inverse = power_of_two(exponent - 14);
}

// Queries of a warp's 16 rows in shared memory, and what belongs to them.
template <class T, int D> struct QueryRows {
    u16* parts[Precision<T>::PARTS];  // [16][D] each
    float* factors;                   // [16]: of dot products with the parts
    float* sums;                      // [16]: of the query's numbers, for zeros of codes
};

// One warp prepares one query.
template <class T, int D> KV_DEVICE void prepare_query(const QueryRows<T, D>& rows, int row, const float* query, float factor, int head_dim, int lane) {
    float largest = 0.0f, sum = 0.0f;
    if (query) {
        for (int i = lane; i < head_dim; i += 32) {
            const float x = query[i] * factor;
            largest = maximum(absolute(x), largest);
            sum += x;
        }
    }
    float scale = 1.0f, inverse = 1.0f;
    if (Precision<T>::SCALED) {
        normalizer(warp_maximum(largest), scale, inverse);
    }
    sum = warp_sum(sum);
    for (int i = lane; i < D; i += 32) {
        float x = query && i < head_dim ? query[i] * factor * scale : 0.0f;
        KV_UNROLL for (int part = 0; part < Precision<T>::PARTS; part++) {
            const u16 bits = T::down(x);
            rows.parts[part][TileRows<D>::at(row, i >> 3) + (i & 7)] = bits;
            x -= T::up(bits);
        }
    }
    if (lane == 0) {
        rows.factors[row] = inverse;
        rows.sums[row] = sum;
    }
}

// What a lane knows of its two rows.
struct LaneRows {
    int row[2];     // of the slice
    int oldest[2];  // positions up to this one are hidden by the sliding window
};

struct TileSoftmax {
    Softmax rows[2];
    float factor[2];  // of sums over values
    float zero[2];    // what zeros of values add
};

// Dot products of 16 queries with the 32 keys.
template <class T, int D> KV_DEVICE void multiply_keys(const QueryRows<T, D>& queries, const u16* keys, Accumulator* products, int lane) {
    KV_UNROLL for (int n = 0; n < 4; n++) {
        products[n] = Accumulator{{0.0f, 0.0f, 0.0f, 0.0f}};
    }
    KV_UNROLL for (int k = 0; k < D / 16; k++) {
        const int key_row = (lane & 7) + (lane >> 4 << 3), key_chunk = 2 * k + (lane >> 3 & 1);
        const Fragment first = ldmatrix4(keys + TileRows<D>::at(key_row, key_chunk)), second = ldmatrix4(keys + TileRows<D>::at(key_row + 16, key_chunk));
        KV_UNROLL for (int part = 0; part < Precision<T>::PARTS; part++) {
            const Fragment query = ldmatrix4(queries.parts[part] + TileRows<D>::at(lane & 15, 2 * k + (lane >> 4)));
            mma_16x8x16(T{}, products[0], query, first.r[0], first.r[1]);
            mma_16x8x16(T{}, products[1], query, first.r[2], first.r[3]);
            mma_16x8x16(T{}, products[2], query, second.r[0], second.r[1]);
            mma_16x8x16(T{}, products[3], query, second.r[2], second.r[3]);
        }
    }
}

// From dot products to logits in powers of two; -infinity where a row does not look.
template <class T, int D>
KV_DEVICE void make_logits(const AttendArguments& a, const TilePlace& place, const TileTable& table, const QueryRows<T, D>& queries, const LaneRows& rows, Accumulator* x, int lane) {
    const bool codes = is_quantized(place.end.layout.format), weighs = place.end.layout.log_weights >= 0, slides = a.sliding_window > 0;
    KV_UNROLL for (int half = 0; half < 2; half++) {
        const float factor = queries.factors[(lane >> 2) + 8 * half], sum = queries.sums[(lane >> 2) + 8 * half];
        const int visible = minimum(visible_kvs(place.end, rows.row[half]) - place.first, place.count);
        KV_UNROLL for (int i = 0; i < 8; i++) {
            const int kv = (i >> 1) * 8 + (lane & 3) * 2 + (i & 1);
            float& logit = x[i >> 1].r[2 * half + (i & 1)];
            logit *= factor;
            if (codes) {
                logit = fma(logit, table.key_scale[kv], sum * table.key_zero[kv]);
            }
            logit = finish_logit(logit, a.cap);
            if (weighs) {
                logit += table.log_weight[kv];
            }
            if (kv >= visible || (slides && table.position[kv] <= rows.oldest[half])) {
                logit = -INFINITE;
            }
        }
    }
}

KV_DEVICE float quad_maximum(float x) {
    x = maximum(shuffle_xor(x, 1), x);
    return maximum(shuffle_xor(x, 2), x);
}

KV_DEVICE float quad_sum(float x) {
    x += shuffle_xor(x, 1);
    return x + shuffle_xor(x, 2);
}

// From logits to probabilities as values are to be multiplied with them, against the tile's own largest logit.
template <class T> KV_DEVICE TileSoftmax make_probabilities(const TilePlace& place, const TileTable& table, Accumulator* x, int lane) {
    const bool codes = is_quantized(place.end.layout.format);
    TileSoftmax softmax;
    KV_UNROLL for (int half = 0; half < 2; half++) {
        float largest = -INFINITE;
        KV_UNROLL for (int i = 0; i < 8; i++) {
            largest = maximum(x[i >> 1].r[2 * half + (i & 1)], largest);
        }
        largest = quad_maximum(largest);
        const float subtrahend = largest == -INFINITE ? 0.0f : largest;
        float sum = 0.0f, zero = 0.0f, heaviest = 0.0f;
        KV_UNROLL for (int i = 0; i < 8; i++) {
            const int kv = (i >> 1) * 8 + (lane & 3) * 2 + (i & 1);
            float& weight = x[i >> 1].r[2 * half + (i & 1)];
            weight = exp2_fast(weight - subtrahend);
            sum += weight;
            if (codes) {
                zero = fma(weight, weight != 0.0f ? table.value_zero[kv] : 0.0f, zero);
                weight *= weight != 0.0f ? table.value_scale[kv] : 0.0f;
            }
            heaviest = maximum(weight, heaviest);
        }
        softmax.rows[half] = Softmax{largest, quad_sum(sum)};
        softmax.zero[half] = codes ? quad_sum(zero) : 0.0f;
        softmax.factor[half] = codes ? StoredCodes<T>::UNIT : 1.0f;
        if (Precision<T>::SCALED) {
            float factor, inverse;
            normalizer(quad_maximum(heaviest), factor, inverse);
            softmax.factor[half] *= inverse;
            KV_UNROLL for (int i = 0; i < 8; i++) {
                x[i >> 1].r[2 * half + (i & 1)] *= factor;
            }
        }
    }
    return softmax;
}

// The probabilities' parts as left operands: of 16 KVs each.
template <class T> KV_DEVICE void split_probabilities(const Accumulator* x, Fragment (&parts)[Precision<T>::PARTS][2]) {
    KV_UNROLL for (int step = 0; step < 2; step++) {
        KV_UNROLL for (int j = 0; j < 4; j++) {
            float a = x[2 * step + (j >> 1)].r[2 * (j & 1)], b = x[2 * step + (j >> 1)].r[2 * (j & 1) + 1];
            KV_UNROLL for (int part = 0; part < Precision<T>::PARTS; part++) {
                const u32 pair = T::pack(a, b);
                parts[part][step].r[j] = pair;
                const Float2 taken = T::unpack(pair);
                const float larger = Precision<T>::SCALED ? kLowerPart : 1.0f;
                a = (a - taken.x) * larger;
                b = (b - taken.y) * larger;
            }
        }
    }
}

// Weighted sums of the tile's values; `take(i, sums)` gets those of the coordinates 8i to 8i + 7.
template <class T, int D, class Take>
KV_DEVICE void multiply_values(const Fragment (&parts)[Precision<T>::PARTS][2], const TileSoftmax& softmax, const u16* values, int lane, const Take& take) {
    constexpr bool APART = Precision<T>::SCALED;
    KV_UNROLL for (int pair = 0; pair < D / 16; pair++) {
        Accumulator sums[2], lower[2];
        KV_UNROLL for (int i = 0; i < 2; i++) {
            sums[i] = lower[i] = Accumulator{{0.0f, 0.0f, 0.0f, 0.0f}};
        }
        KV_UNROLL for (int step = 0; step < 2; step++) {
            const Fragment v = ldmatrix4_transposed(values + TileRows<D>::at(16 * step + (lane & 15), 2 * pair + (lane >> 4)));
            KV_UNROLL for (int part = 0; part < Precision<T>::PARTS; part++) {
                mma_16x8x16(T{}, APART && part ? lower[0] : sums[0], parts[part][step], v.r[0], v.r[1]);
                mma_16x8x16(T{}, APART && part ? lower[1] : sums[1], parts[part][step], v.r[2], v.r[3]);
            }
        }
        KV_UNROLL for (int i = 0; i < 2; i++) {
            KV_UNROLL for (int j = 0; j < 4; j++) {
                const float sum = APART ? fma(lower[i].r[j], 1.0f / kLowerPart, sums[i].r[j]) : sums[i].r[j];
                sums[i].r[j] = fma(sum, softmax.factor[j >> 1], softmax.zero[j >> 1]);
            }
            take(2 * pair + i, sums[i]);
        }
    }
}

}  // namespace kv
