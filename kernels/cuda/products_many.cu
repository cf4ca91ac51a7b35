// Products of many rows, bound by arithmetic: a block has 128 outputs of 64 rows, a warp 32 of 32. Weights come as the blocks of the file, rows by 64
// columns; while the ones are multiplied the next are under way.
#include "products.h"

namespace kv {

constexpr int kManyOutputs = 128, kManyRows = 64, kManyColumns = 64, kManyThreads = 256;

// Rows of 16 pieces of 4 columns in shared memory; odd rows have their halves exchanged, so that two rows of 64 bytes lie in different banks.
KV_DEVICE int piece_of(int row, int piece) { return (row * 16 + (piece ^ ((row & 1) << 2))) * 16; }

struct NearRows {
    const u8* rows;
    const float* sums;  // [kManyRows][4]
    int first, lane;

    KV_DEVICE Vector16 take(int n, int k) const { return load16(rows + piece_of(first + 8 * n + (lane >> 2), 4 * k + (lane & 3))); }
    KV_DEVICE float sum(int n, int j, int k) const { return sums[(first + 8 * n + 2 * (lane & 3) + j) * 4 + k]; }
};

template <class Codes> struct ManyRows {
    static constexpr int ROW_BYTES = kManyRows * kManyColumns * 4, SUM_BYTES = kManyRows * 16, CHUNK_BYTES = kManyOutputs * ChunkShape<Codes>::STRIDE;
    static constexpr int STEPS = Codes::kColumns / kManyColumns;  // of a chunk
    static constexpr int SHARED_BYTES = 2 * (ROW_BYTES + SUM_BYTES + CHUNK_BYTES);

    const ProductArguments& a;
    u8* shared;
    int first_row, first_output;

    KV_DEVICE u8* rows_of(int step) const { return shared + (step & 1) * ROW_BYTES; }
    KV_DEVICE float* sums_of(int step) const { return (float*)(shared + 2 * ROW_BYTES + (step & 1) * SUM_BYTES); }
    KV_DEVICE u8* chunks_of(int step) const { return shared + 2 * (ROW_BYTES + SUM_BYTES) + (step / STEPS & 1) * CHUNK_BYTES; }

    // Rows past the last are left as they are: nobody asks for what they give.
    KV_DEVICE void issue(int step) const {
        const int column = step * kManyColumns, thread = thread_index();
        for (int i = thread; i < kManyRows * 16; i += kManyThreads) {
            const int row = i >> 4, piece = i & 15;
            if (first_row + row < a.rows && column + 4 * piece < a.columns) {
                copy_async16(rows_of(step) + piece_of(row, piece), a.input + ((u64)(first_row + row) * a.columns + column + 4 * piece) * 4);
            }
        }
        if (Codes::kScaled && thread < kManyRows && first_row + thread < a.rows) {
            copy_async16(sums_of(step) + thread * 4, a.sums + (u64)(first_row + thread) * a.sums_stride + column / 16);
        }
        if (step % STEPS == 0) {
            copy_chunks<Codes>(a, chunks_of(step), first_output, kManyOutputs, column, thread, kManyThreads);
        }
        copy_commit();
    }

    KV_DEVICE void run() const {
        const int lane = lane_index(), output = warp_index() >> 1 << 5, row = (warp_index() & 1) << 5, steps = ceiling_divide(a.columns, kManyColumns);
        Tile<2, 4> sums, totals;
        sums.clear();
        totals.clear();
        issue(0);
        KV_NO_UNROLL for (int step = 0; step < steps; step++) {
            copy_wait<0>();
            block_sync();
            if (step + 1 < steps) {
                issue(step + 1);
            }
            const int column = step * kManyColumns, chunk = step / STEPS * Codes::kColumns;
            const NearRows rows{rows_of(step), sums_of(step), row, lane};
            const LaneChunks<Codes, 2> chunks(a, chunks_of(step) + output * ChunkShape<Codes>::STRIDE, first_output + output, chunk, lane);
            add_columns<Codes, 2, 4>(chunks, column - chunk, minimum(kManyColumns, a.columns - column), rows, 0, sums, lane);
            if ((column + kManyColumns) % kSegment == 0 || step + 1 == steps) {
                totals.add(sums);
                sums.clear();
            }
        }
        store(totals, first_row + row, first_output + output, lane);
    }

    KV_DEVICE void store(const Tile<2, 4>& totals, int row, int output, int lane) const {
        KV_UNROLL for (int i = 0; i < 32; i++) {
            const int m = i >> 4, n = i >> 2 & 3, r = i & 3;
            const int to_row = row + 8 * n + 2 * (lane & 3) + (r & 1), to_output = output + 16 * m + (lane >> 2) + 8 * (r >> 1);
            if (to_row < a.rows && to_output < a.outputs) {
                finish_product(a, to_row, to_output, totals.at[m][n].r[r]);
            }
        }
    }
};

// Neighbours in x share weights, so that those are read from memory once.
template <class Codes> KV_DEVICE void multiply_many(const ProductArguments& a, u8* shared) {
    const ManyRows<Codes> form{a, shared, block_x() * kManyRows, block_y() * kManyOutputs};
    form.run();
}
}

#define KV_MANY(format) \
    KV_KERNEL void KV_BOUNDS(256) kv_multiply_many_##format(kv::ProductArguments a) { KV_DYNAMIC_SHARED(shared); kv::multiply_many<kv::Codes##format>(a, shared); }
KV_PRODUCT_FORMATS(KV_MANY)
