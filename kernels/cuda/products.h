// Products of rows with weights on tensor cores: 16 outputs by 8 rows at a time, weights on the left.
//
// The order of additions: tensor cores add the columns of a group (those that share a scale), singles add the groups of a segment of 256 columns in their
// order, then the segments in theirs. Who computes which segment is free: a row's bits depend on the number of columns alone.
//
// Rows are split into a sum of two halves each number, brought to range by a power of two per row (BF16: three brains, without). Zeros of codes go to the
// sums of the row's groups of 16.
#pragma once
#include "code_blocks.h"
#include "linear.h"

namespace kv {

constexpr int kSegment = 256;

// Where chunks lie in shared memory: a row of a matrix has as many 16-byte pieces as it can touch, an odd number, so that eight rows lie in different banks.
template <class Codes> struct ChunkShape {
    static constexpr int PIECES = (Codes::kBytes + (Codes::kBytes % 16 == 0 ? 0 : 14) + 15) / 16 + (Codes::kBytes % 16 == 0 && Codes::kAlign < 16 ? 1 : 0);
    static constexpr int STRIDE = (PIECES | 1) * 16;
};

// The chunk of an output that begins at a column. Rows past the last are the last.
template <class Codes> KV_DEVICE const u8* chunk_of(const ProductArguments& a, int output, int column) {
    return a.weights + minimum(output, a.outputs - 1) * a.row_bytes + (i64)(column / Codes::kColumns) * Codes::kBytes;
}

// How far into its first piece a chunk begins.
KV_DEVICE int shift_of(const u8* chunk) { return (int)((u64)chunk & 15u); }

// Copies the chunks of `count` outputs from `first` on; a thread of `threads` does its share.
template <class Codes> KV_DEVICE void copy_chunks(const ProductArguments& a, u8* shared, int first, int count, int column, int thread, int threads) {
    const i64 left = a.row_bytes - (i64)(column / Codes::kColumns) * Codes::kBytes;
    const int bytes = left < Codes::kBytes ? (int)left : Codes::kBytes;
    for (int i = thread; i < count * ChunkShape<Codes>::PIECES; i += threads) {
        const int row = i / ChunkShape<Codes>::PIECES, piece = i % ChunkShape<Codes>::PIECES;
        const u8* chunk = chunk_of<Codes>(a, first + row, column);
        const int shift = shift_of(chunk);
        if (piece * 16 < shift + bytes) {
            copy_async16(shared + row * ChunkShape<Codes>::STRIDE + piece * 16, chunk - shift + piece * 16);
        }
    }
}

// The chunks of a lane's outputs in shared memory.
template <class Codes, int Mi> struct LaneChunks {
    const u8* chunk[Mi][2];

    KV_DEVICE LaneChunks(const ProductArguments& a, const u8* shared, int first, int column, int lane) {
        KV_UNROLL for (int i = 0; i < 2 * Mi; i++) {
            const int row = 8 * i + (lane >> 2);
            chunk[i >> 1][i & 1] = shared + row * ChunkShape<Codes>::STRIDE + shift_of(chunk_of<Codes>(a, first + row, column));
        }
    }
};

template <int Mi, int Ni> struct Tile {
    Accumulator at[Mi][Ni];

    KV_DEVICE void clear() {
        KV_UNROLL for (int i = 0; i < Mi * Ni; i++) {
            at[i / Ni][i % Ni] = Accumulator{{0.0f, 0.0f, 0.0f, 0.0f}};
        }
    }

    KV_DEVICE void add(const Tile& other) {
        KV_UNROLL for (int i = 0; i < Mi * Ni * 4; i++) {
            float& sum = at[i / 4 / Ni][i / 4 % Ni].r[i % 4];
            sum = sum + other.at[i / 4 / Ni][i / 4 % Ni].r[i % 4];
        }
    }
};

// Adds the columns of a group to the products of a segment. `rows.take(n, k)` gives a lane's four columns of group k of 16 of row 8n + lane / 4,
// `rows.sum(n, j, k)` the sum of that group of row 8n + 2 (lane % 4) + j.
template <class Codes, int Mi, int Ni, class Rows>
KV_DEVICE void add_group(const LaneChunks<Codes, Mi>& chunks, int g, int count, const Rows& rows, int k, Tile<Mi, Ni>& sums, int lane) {
    typedef typename Codes::Operand Operand;
    Tile<Mi, Ni> products;
    products.clear();
    KV_UNROLL for (int s = 0; s < Codes::kGroup / 16; s++) {
        if (Codes::kScaled || s < count) {
            Operand operand[Ni];
            KV_UNROLL for (int n = 0; n < Ni; n++) {
                operand[n].take(rows.take(n, k + s));
            }
            KV_UNROLL for (int m = 0; m < Mi; m++) {
                const Fragment weights = weight_fragment(Codes{}, chunks.chunk[m][0], chunks.chunk[m][1], g + s, lane & 3);
                KV_UNROLL for (int p = 0; p < Operand::kParts; p++) {
                    KV_UNROLL for (int n = 0; n < Ni; n++) {
                        mma_16x8x16(typename Operand::Element{}, products.at[m][n], weights, operand[n].part[p][0], operand[n].part[p][1]);
                    }
                }
            }
        }
    }
    if (!Codes::kScaled) {
        sums.add(products);
        return;
    }
    CodeScale scale[Mi][2];
    KV_UNROLL for (int i = 0; i < 2 * Mi; i++) {
        scale[i >> 1][i & 1] = Codes::scale(chunks.chunk[i >> 1][i & 1], g);
    }
    KV_UNROLL for (int n = 0; n < Ni; n++) {
        KV_UNROLL for (int j = 0; j < 2; j++) {
            const float row = Codes::kGroup == 32 ? rows.sum(n, j, k) + rows.sum(n, j, k + 1) : rows.sum(n, j, k);
            KV_UNROLL for (int i = 0; i < 2 * Mi; i++) {
                float& sum = sums.at[i >> 1][n].r[2 * (i & 1) + j];
                sum = fma(scale[i >> 1][i & 1].step, products.at[i >> 1][n].r[2 * (i & 1) + j], sum);
                sum = fma(scale[i >> 1][i & 1].zero, row, sum);
            }
        }
    }
}

// Adds columns of a chunk, from `first` (a multiple of the group) on at most `count`; `k` is the rows' group of 16 there.
template <class Codes, int Mi, int Ni, class Rows>
KV_DEVICE void add_columns(const LaneChunks<Codes, Mi>& chunks, int first, int count, const Rows& rows, int k, Tile<Mi, Ni>& sums, int lane) {
    KV_NO_UNROLL for (int done = 0; done < count; done += Codes::kGroup) {
        add_group<Codes, Mi, Ni>(chunks, (first + done) / 16, (count - done) / 16, rows, k + done / 16, sums, lane);
    }
}

KV_DEVICE void finish_product(const ProductArguments& a, int row, int output, float sum) {
    finish(a, row, output, a.factors ? sum * a.factors[row] : sum);
}

// Formats whose rows come in halves.
#define KV_HALVES_FORMATS(KERNEL) \
    KERNEL(F16) KERNEL(Q4_0) KERNEL(Q4_1) KERNEL(Q5_0) KERNEL(Q5_1) KERNEL(Q8_0) \
    KERNEL(IQ4_NL) KERNEL(Q2_K) KERNEL(Q3_K) KERNEL(Q4_K) KERNEL(Q5_K) KERNEL(Q6_K) KERNEL(IQ4_XS)
#define KV_PRODUCT_FORMATS(KERNEL) KV_HALVES_FORMATS(KERNEL) KERNEL(BF16)
}
