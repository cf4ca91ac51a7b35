// Products of few rows, bound by the bytes of the weights: the warps of a block share its outputs and take a segment of the columns each, round by round;
// their sums are added in the order of the segments.
#include "products.h"

namespace kv {

// Rows in device memory; those past the last are zeros.
template <int Ni> struct FarRows {
    const u8* place[Ni];
    const float* sums[Ni][2];

    KV_DEVICE FarRows(const ProductArguments& a, int first, int lane) {
        KV_UNROLL for (int n = 0; n < Ni; n++) {
            const int row = first + 8 * n + (lane >> 2);
            place[n] = row < a.rows ? a.input + ((u64)row * a.columns + 4 * (lane & 3)) * 4 : nullptr;
            KV_UNROLL for (int j = 0; j < 2; j++) {
                const int other = first + 8 * n + 2 * (lane & 3) + j;
                sums[n][j] = other < a.rows && a.sums ? a.sums + (u64)other * a.sums_stride : nullptr;
            }
        }
    }

    KV_DEVICE Vector16 take(int n, int k) const { return place[n] ? load16(place[n] + k * 64) : Vector16{0, 0, 0, 0}; }
    KV_DEVICE float sum(int n, int j, int k) const { return sums[n][j] ? sums[n][j][k] : 0.0f; }
};

template <class Codes, int Mi, int Ni, int Warps> struct FewRows {
    static constexpr int OUTPUTS = 16 * Mi, ROWS = 8 * Ni, THREADS = 32 * Warps, SIZE = OUTPUTS * ROWS;
    static constexpr int CHUNK_BYTES = OUTPUTS * ChunkShape<Codes>::STRIDE, CHUNKS = kSegment / Codes::kColumns;
    static constexpr int SHARED_BYTES = Warps * (2 * CHUNK_BYTES + 2 * SIZE * 4);

    const ProductArguments& a;
    u8* shared;
    float* partial;
    int first, first_row, warp, lane;

    KV_DEVICE int column_of(int i) const { return (i / CHUNKS * Warps + warp) * kSegment + i % CHUNKS * Codes::kColumns; }
    KV_DEVICE u8* chunks_of(int i) const { return shared + (2 * warp + (i & 1)) * CHUNK_BYTES; }

    KV_DEVICE void issue(int i) const {
        if (column_of(i) < a.columns) {
            copy_chunks<Codes>(a, chunks_of(i), first, OUTPUTS, column_of(i), lane, 32);
        }
        copy_commit();
    }

    // A warp's segment of a round.
    KV_DEVICE void add_segment(int round, const FarRows<Ni>& rows, Tile<Mi, Ni>& sums) const {
        sums.clear();
        KV_NO_UNROLL for (int i = round * CHUNKS; i < (round + 1) * CHUNKS; i++) {
            issue(i + 1);
            copy_wait<1>();
            warp_sync();
            const int column = column_of(i);
            if (column < a.columns) {
                const LaneChunks<Codes, Mi> chunks(a, chunks_of(i), first, column, lane);
                add_columns<Codes, Mi, Ni>(chunks, 0, minimum(Codes::kColumns, a.columns - column), rows, column / 16, sums, lane);
            }
            warp_sync();
        }
    }

    KV_DEVICE void leave(int round, const Tile<Mi, Ni>& sums) const {
        float* mine = partial + ((round & 1) * Warps + warp) * SIZE;
        KV_UNROLL for (int i = 0; i < Mi * Ni * 4; i++) {
            const int m = i / 4 / Ni, n = i / 4 % Ni, r = i % 4;
            mine[(8 * n + 2 * (lane & 3) + (r & 1)) * OUTPUTS + 16 * m + (lane >> 2) + 8 * (r >> 1)] = sums.at[m][n].r[r];
        }
    }

    KV_DEVICE void run() const {
        constexpr int MINE = (SIZE + THREADS - 1) / THREADS;
        const FarRows<Ni> rows(a, first_row, lane);
        const int segments = ceiling_divide(a.columns, kSegment);
        float totals[MINE];
        KV_UNROLL for (int i = 0; i < MINE; i++) {
            totals[i] = 0.0f;
        }
        issue(0);
        // What a round leaves is read before the round after the next writes there: a barrier lies between.
        KV_NO_UNROLL for (int round = 0; round * Warps < segments; round++) {
            Tile<Mi, Ni> sums;
            add_segment(round, rows, sums);
            leave(round, sums);
            block_sync();
            KV_NO_UNROLL for (int w = 0; w < minimum(Warps, segments - round * Warps); w++) {
                KV_UNROLL for (int i = 0; i < MINE; i++) {
                    const int at = i * THREADS + thread_index();
                    if (at < SIZE) {
                        totals[i] = totals[i] + partial[((round & 1) * Warps + w) * SIZE + at];
                    }
                }
            }
        }
        KV_UNROLL for (int i = 0; i < MINE; i++) {
            const int at = i * THREADS + thread_index(), row = first_row + at / OUTPUTS, output = first + at % OUTPUTS;
            if (at < SIZE && row < a.rows && output < a.outputs) {
                finish_product(a, row, output, totals[i]);
            }
        }
    }
};

template <class Codes, int Mi, int Ni, int Warps> KV_DEVICE void multiply_few(const ProductArguments& a, int first_row, u8* shared) {
    typedef FewRows<Codes, Mi, Ni, Warps> Form;
    const Form form{a, shared, (float*)(shared + Warps * 2 * Form::CHUNK_BYTES), block_x() * Form::OUTPUTS, first_row, warp_index(), lane_index()};
    form.run();
}

// A block has one slot.
template <class Codes> KV_DEVICE void multiply_expert(const ExpertProductArguments& e, u8* shared) {
    const int slot = block_y(), row = slot / e.per_row;
    ProductArguments a = e.product;
    a.weights = (const u8*)e.weights[e.chosen[slot]];
    a.input += (u64)row * a.columns * 4;
    a.sums += (u64)row * a.sums_stride;
    a.factors += row;
    a.output += (u64)slot * a.output_stride;
    a.rows = 1;
    multiply_few<Codes, 1, 1, 8>(a, 0, shared);
}
}

#define KV_FEW(format) \
    KV_KERNEL void KV_BOUNDS(256) kv_multiply_8_##format(kv::ProductArguments a) { KV_DYNAMIC_SHARED(shared); kv::multiply_few<kv::Codes##format, 1, 1, 8>(a, kv::block_y() * 8, shared); } \
    KV_KERNEL void KV_BOUNDS(128) kv_multiply_32_##format(kv::ProductArguments a) { KV_DYNAMIC_SHARED(shared); kv::multiply_few<kv::Codes##format, 2, 4, 4>(a, kv::block_y() * 32, shared); }
#define KV_EXPERT(format) KV_KERNEL void KV_BOUNDS(256) kv_multiply_expert_##format(kv::ExpertProductArguments a) { KV_DYNAMIC_SHARED(shared); kv::multiply_expert<kv::Codes##format>(a, shared); }
KV_PRODUCT_FORMATS(KV_FEW)
KV_HALVES_FORMATS(KV_EXPERT)
