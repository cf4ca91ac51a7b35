// Scores of KVs from the attention of observed rows, on tensor cores, after attention has left each row's softmax in the statistics. Each warp has 64 KVs and goes
// through the observed queries 16 at a time; then a lane has one KV and adds up what the 16 gave to it: no two threads write the same score, and sums run in
// an order that nothing else changes.
#pragma once
#include "attention_work.h"
#include "scores.h"

namespace kv {

template <class T, int D> struct ScoreForm {
    static constexpr int WARPS = Form<D>::WARPS;
    static constexpr int TILES = 2;  // of a warp
    static constexpr int RUN = WARPS * TILES * kTile;
    static constexpr int TURN_STRIDE = kTile + 1, TURN_BYTES = kQueries * TURN_STRIDE * 4;
    static constexpr int WARP_BYTES = TILES * (Form<D>::TILE_BYTES + Form<D>::TABLE_BYTES) + TURN_BYTES;
};

// Observed queries in the order in which they are added up: a window's by member, then row; accumulated ones by row, then member.
struct ObservedQueries {
    int rows;
    int group;
    int first_row;
    bool by_member;
};

KV_DEVICE ObservedQueries observed_queries(const Sequence& sequence, int group) {
    return ObservedQueries{sequence.observed_rows, group, sequence.row_count - sequence.observed_rows, sequence.observation == kObserveWindow};
}

KV_DEVICE void find_query(const ObservedQueries& o, int index, int& row, int& member) {
    const int outer = index / (o.by_member ? o.rows : o.group), inner = index - outer * (o.by_member ? o.rows : o.group);
    row = o.first_row + (o.by_member ? inner : outer);
    member = o.by_member ? outer : inner;
}

// The lane's two rows of 16 queries, and their softmax.
struct ObservedRows {
    LaneRows rows;
    float largest[2];
    float reciprocal[2];
};

KV_DEVICE ObservedRows observed_rows(const AttendArguments& a, const Sequence& sequence, int kv_head, const ObservedQueries& queries, int first, int lane) {
    ObservedRows observed;
    KV_UNROLL for (int half = 0; half < 2; half++) {
        int row, member;
        find_query(queries, minimum(first + (lane >> 2) + 8 * half, queries.rows * queries.group - 1), row, member);
        const int batch_row = sequence.first_row + row;
        const float* statistics = a.statistics + 2 * ((u64)batch_row * a.query_heads + kv_head * a.group + member);
        observed.rows.row[half] = row;
        observed.rows.oldest[half] = a.sliding_window > 0 ? a.batch.positions[batch_row] - a.sliding_window : -1;
        observed.largest[half] = statistics[0];
        observed.reciprocal[half] = recorded_reciprocal(a.batch, batch_row, statistics[1]);
    }
    return observed;
}

// Attention of 16 queries to a tile, turned so that a lane can run down its KV's column.
template <class T, int D>
KV_DEVICE void turn_attention(const AttendArguments& a, const TilePlace& place, const TileTable& table, const u16* keys, const QueryRows<T, D>& queries,
    const ObservedRows& observed, float* turned, int lane) {
    Accumulator x[4];
    multiply_keys(queries, keys, x, lane);
    make_logits(a, place, table, queries, observed.rows, x, lane);
    KV_UNROLL for (int half = 0; half < 2; half++) {
        KV_UNROLL for (int i = 0; i < 8; i++) {
            const float logit = x[i >> 1].r[2 * half + (i & 1)];
            const float attention = logit == -INFINITE ? 0.0f : exp2_fast(logit - observed.largest[half]) * observed.reciprocal[half];
            turned[((lane >> 2) + 8 * half) * ScoreForm<T, D>::TURN_STRIDE + (i >> 1) * 8 + (lane & 3) * 2 + (i & 1)] = attention;
        }
    }
    warp_sync();
}

// What a lane knows of its KV.
struct ScoreColumn {
    float* sums;  // window mode: of member 0
    float sum;    // of the inner order so far
    float score;  // accumulated
};

KV_DEVICE void add_column(ScoreColumn& column, const ObservedQueries& queries, const ScoreItem& item, const Sequence& sequence, int first, const float* turned, int stride, bool exists) {
    const int flags = first_flags(sequence);
    const int inner = queries.by_member ? queries.rows : queries.group, count = minimum(queries.rows * queries.group - first, kQueries);
    int outer = first / inner, position = first - outer * inner;
    for (int i = 0; i < count; i++) {
        column.sum = combine(position == 0 ? 0.0f : column.sum, turned[i * stride], flags);
        if (++position < inner) {
            continue;
        }
        if (!queries.by_member) {
            column.score = sequence.flags & kLargest ? maximum(column.sum, column.score) : column.score + column.sum;
        } else if (exists) {
            column.sums[(u64)outer * item.sum_stride] = column.sum;
        }
        position = 0;
        outer++;
    }
}

template <class T, int D> KV_DEVICE void observe_tensor(const ScoreArguments& s) {
    KV_DYNAMIC_SHARED(shared);
    typedef ScoreForm<T, D> F;
    const AttendArguments& a = s.attend;
    const ScoreItem item = s.items[a.first_item + block_x()];
    const int warp = warp_index(), lane = lane_index();
    const Sequence sequence = a.batch.sequences[item.sequence];
    const End end = end_of(a.arena, a.batch, sequence, a.batch.heads[item.sequence * a.kv_heads + item.kv_head], item.is_low != 0);
    const int count = visible_kvs(end, sequence.row_count - 1);
    u8* space = shared + warp * F::WARP_BYTES;
    u16* keys = (u16*)space;
    TileTable* tables = (TileTable*)(space + F::TILES * Form<D>::TILE_BYTES);
    float* turned = (float*)(tables + F::TILES);
    const QueryRows<T, D> rows = QuerySpace<T, D>::at(shared + F::WARPS * F::WARP_BYTES);
    TilePlace places[F::TILES];
    ScoreColumn columns[F::TILES];
    KV_UNROLL for (int tile = 0; tile < F::TILES; tile++) {
        TilePlace& place = places[tile];
        place.end = end;
        place.first = item.first + (tile * F::WARPS + warp) * kTile;
        place.count = maximum(minimum(count - place.first, kTile), 0);
        columns[tile] = ScoreColumn{s.sums + item.sums + place.first + lane, 0.0f, 0.0f};
        if (place.count > 0) {
            fill_table<T>(a.arena, place, tables[tile], lane);
            warp_sync();
            load_keys<T, D>(a.arena, place, tables[tile], keys + tile * (Form<D>::TILE_BYTES / 2), lane, 32);
            if (lane < place.count) {
                int slot;
                u8* page = locate(a.arena, end, place.first + lane, slot);
                columns[tile].score = *score_of(end.layout, page, slot);
            }
        }
    }
    copy_commit();
    copy_wait<0>();

    const ObservedQueries queries = observed_queries(sequence, a.group);
    for (int first = 0; first < queries.rows * queries.group; first += kQueries) {
        block_sync();
        for (int i = warp; i < kQueries; i += F::WARPS) {
            int row, member;
            find_query(queries, minimum(first + i, queries.rows * queries.group - 1), row, member);
            prepare_query(rows, i, query_for(a, end.layout, sequence.first_row + row, item.kv_head * a.group + member), a.factor, a.arena.head_dim, lane);
        }
        block_sync();
        const ObservedRows observed = observed_rows(a, sequence, item.kv_head, queries, first, lane);
        KV_UNROLL for (int tile = 0; tile < F::TILES; tile++) {
            if (places[tile].count > 0) {
                turn_attention<T, D>(a, places[tile], tables[tile], keys + tile * (Form<D>::TILE_BYTES / 2), rows, observed, turned, lane);
                add_column(columns[tile], queries, item, sequence, first, turned + lane, F::TURN_STRIDE, lane < places[tile].count);
                warp_sync();
            }
        }
    }
    KV_UNROLL for (int tile = 0; tile < F::TILES; tile++) {
        if (!queries.by_member && lane < places[tile].count) {
            int slot;
            u8* page = locate(a.arena, end, places[tile].first + lane, slot);
            *score_of(end.layout, page, slot) = columns[tile].score;
        }
    }
}

}  // namespace kv
