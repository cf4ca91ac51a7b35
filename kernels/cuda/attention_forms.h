// Attention on tensor cores, in two forms with the same arithmetic. Narrow: 16 queries or fewer (decoding), each warp has tiles of its own, keys and values
// are read once for the whole group. Wide: 16 queries for each warp (prompts), all warps share each tile. Loading overlaps with computing: keys of the next tile
// come while values of this one are multiplied, its values while the next keys are.
#pragma once
#include "attention_scores.h"

namespace kv {

// What a tile's values are multiplied with.
template <class T> struct TileWeights {
    Fragment parts[Precision<T>::PARTS][2];
    TileSoftmax softmax;
};

template <class T, int D>
KV_DEVICE void weigh_tile(const AttendArguments& a, const TilePlace& place, const TileTable& table, const QueryRows<T, D>& queries, const u16* keys, const LaneRows& rows,
    TileWeights<T>& weights, int lane) {
    Accumulator x[4];
    multiply_keys(queries, keys, x, lane);
    make_logits(a, place, table, queries, rows, x, lane);
    weights.softmax = make_probabilities<T>(place, table, x, lane);
    split_probabilities<T>(x, weights.parts);
}

// Shared memory as one warp sees it. Keys, values and tables of this tile and the next are its own in the narrow form, the block's in the wide one; queries and state the other way round.
template <class T, int D> struct FormSpace {
    static constexpr int TILES_BYTES = 2 * Form<D>::TILE_BYTES + 2 * Form<D>::TABLE_BYTES, STATE_BYTES = QuerySpace<T, D>::BYTES + Form<D>::STATE_BYTES;
    u16* keys;
    u16* values;
    TileTable* tables;
    QueryRows<T, D> queries;
    AttendState state;

    static KV_DEVICE FormSpace at(u8* tiles, u8* rows) {
        return FormSpace{(u16*)tiles, (u16*)(tiles + Form<D>::TILE_BYTES), (TileTable*)(tiles + 2 * Form<D>::TILE_BYTES), QuerySpace<T, D>::at(rows), state_at(rows + QuerySpace<T, D>::BYTES, D)};
    }
    static KV_DEVICE FormSpace narrow(u8* shared, int warp) { return at(shared + warp * TILES_BYTES, shared + Form<D>::WARPS * TILES_BYTES); }
    static KV_DEVICE FormSpace wide(u8* shared, int warp) { return at(shared, shared + TILES_BYTES + warp * STATE_BYTES); }
};

KV_DEVICE bool ends_segment(const AttendStep& step, const AttendStep& next, bool has_next) { return step.round >= 0 && (!has_next || next.segment != step.segment); }

template <class T, int D> KV_DEVICE void prepare_narrow(const AttendArguments& a, const AttendWork& w, const FormSpace<T, D>& space, int warp, int lane) {
    for (int row = warp; row < kQueries; row += Form<D>::WARPS) {
        const int index = w.item.first_query + row;
        prepare_query(space.queries, row, index < w.item.end_query ? query_at(a, w, index) : nullptr, a.factor, a.arena.head_dim, lane);
    }
    if (w.item.records >= 0) {
        clear_records(a, w);
    }
    if (warp == 0) {
        clear_state(space.state, lane);
    }
}

// A warp computes its own tile while its next one comes.
template <class T, int D>
KV_DEVICE void take_own_tile(const AttendArguments& a, const FormSpace<T, D>& space, const LaneRows& rows, const TilePlace& place, const TilePlace& next, int turn,
    TileWeights<T>& weights, Accumulator (&sums)[D / 8], int lane) {
    if (next.count > 0) {
        fill_table<T>(a.arena, next, space.tables[turn ^ 1], lane);
    }
    copy_wait<1>();
    warp_sync();
    if (place.count > 0) {
        weigh_tile(a, place, space.tables[turn], space.queries, space.keys, rows, weights, lane);
    }
    warp_sync();
    if (next.count > 0) {
        load_keys<T, D>(a.arena, next, space.tables[turn ^ 1], space.keys, lane, 32);
    }
    copy_commit();
    copy_wait<1>();
    warp_sync();
    if (place.count > 0) {
        multiply_values<T, D>(weights.parts, weights.softmax, space.values, lane, [&](int i, const Accumulator& sum) { sums[i] = sum; });
    }
    warp_sync();
    if (next.count > 0) {
        load_values<T, D>(a.arena, next, space.tables[turn ^ 1], space.values, lane, 32);
    }
    copy_commit();
}

// All warps write what the segment has come to, and the next one starts from nothing.
template <int D> KV_DEVICE void finish_narrow(const AttendArguments& a, const AttendWork& w, const AttendState& state, int segment, int warp, int lane) {
    const Softmax total[2] = {softmax_of(state, lane, 0), softmax_of(state, lane, 1)};
    const AttendTarget target = target_of(a, w, w.item.first_query, segment, total, lane, warp == 0);
    for (int i = warp; i < D / 8; i += Form<D>::WARPS) {
        write_sums(target, 8 * i + (lane & 3) * 2, sums_of(state, i, lane), a.arena.head_dim);
    }
    block_sync();
    if (warp == 0) {
        clear_state(state, lane);  // who merges next comes after this warp, or a barrier later
    }
}

template <class T, int D> KV_DEVICE void attend_narrow(const AttendArguments& a) {
    KV_DYNAMIC_SHARED(shared);
    constexpr int WARPS = Form<D>::WARPS;
    const int warp = warp_index(), lane = lane_index();
    const AttendWork w = work_of(a);
    const FormSpace<T, D> space = FormSpace<T, D>::narrow(shared, warp);
    prepare_narrow(a, w, space, warp, lane);
    const LaneRows rows = lane_rows(a, w, w.item.first_query, lane);
    block_sync();

    // The first turn has no tile yet and only loads the first ones.
    AttendStep step{w.item.first_segment, -1};
    TilePlace place = tile_at(a, w, step, 0, false);
    for (int turn = 0;; turn ^= 1) {
        AttendStep next{step.segment, step.round + 1};
        const bool has_next = seek(a, w, next, WARPS * kTile);
        const TilePlace next_place = tile_at(a, w, next, next.round * WARPS + warp, has_next);
        TileWeights<T> weights;
        Accumulator sums[D / 8];
        take_own_tile(a, space, rows, place, next_place, turn, weights, sums, lane);
        KV_NO_UNROLL for (int turn_of = 0; step.round >= 0 && turn_of < WARPS; turn_of++) {
            if (warp == turn_of && place.count > 0) {
                merge_into<D>(space.state, weights.softmax.rows, sums, lane);
            }
            block_sync();
        }
        if (ends_segment(step, next, has_next)) {
            finish_narrow<D>(a, w, space.state, step.segment, warp, lane);
        }
        if (!has_next) {
            break;
        }
        step = next;
        place = next_place;
    }
}

// A warp's 16 queries over the segment at hand.
template <int D> struct SegmentRows {
    Accumulator sums[D / 8];
    Softmax softmax[2];
};

template <int D> KV_DEVICE void clear(SegmentRows<D>& rows) {
    KV_UNROLL for (int half = 0; half < 2; half++) {
        rows.softmax[half] = nothing_seen();
    }
    KV_UNROLL for (int i = 0; i < D / 8; i++) {
        rows.sums[i] = Accumulator{{0.0f, 0.0f, 0.0f, 0.0f}};
    }
}

// Merges a tile's values into the segment.
template <class T, int D> KV_DEVICE void add_tile(const TileWeights<T>& weights, const u16* values, SegmentRows<D>& segment, int lane) {
    float keep[2], add[2];
    KV_UNROLL for (int half = 0; half < 2; half++) {
        merge(segment.softmax[half], weights.softmax.rows[half], keep[half], add[half]);
    }
    multiply_values<T, D>(weights.parts, weights.softmax, values, lane, [&](int i, const Accumulator& sum) {
        KV_UNROLL for (int j = 0; j < 4; j++) {
            segment.sums[i].r[j] = fma(segment.sums[i].r[j], keep[j >> 1], sum.r[j] * add[j >> 1]);
        }
    });
}

template <class T, int D>
KV_DEVICE void prepare_wide(const AttendArguments& a, const AttendWork& w, const FormSpace<T, D>& space, int first_query, int lane) {
    KV_NO_UNROLL for (int row = 0; row < kQueries; row++) {
        prepare_query(space.queries, row, first_query + row < w.item.end_query ? query_at(a, w, first_query + row) : nullptr, a.factor, a.arena.head_dim, lane);
    }
    if (w.item.records >= 0) {
        clear_records(a, w);
    }
    clear_state(space.state, lane);
}

// All warps compute the same tile, those that see any of it, while the block's next one comes.
template <class T, int D>
KV_DEVICE void take_shared_tile(const AttendArguments& a, const FormSpace<T, D>& space, const LaneRows& rows, const TilePlace& place, bool sees, const TilePlace& next, bool has_next, int turn,
    SegmentRows<D>& segment, int lane) {
    constexpr int THREADS = Form<D>::THREADS;
    const int thread = thread_index();
    if (warp_index() == 0 && has_next) {
        fill_table<T>(a.arena, next, space.tables[turn ^ 1], lane);
    }
    copy_wait<1>();
    block_sync();
    TileWeights<T> weights;
    if (sees) {
        weigh_tile(a, place, space.tables[turn], space.queries, space.keys, rows, weights, lane);
    }
    block_sync();
    if (has_next) {
        load_keys<T, D>(a.arena, next, space.tables[turn ^ 1], space.keys, thread, THREADS);
    }
    copy_commit();
    copy_wait<1>();
    block_sync();
    if (sees) {
        add_tile(weights, space.values, segment, lane);
    }
    block_sync();
    if (has_next) {
        load_values<T, D>(a.arena, next, space.tables[turn ^ 1], space.values, thread, THREADS);
    }
    copy_commit();
}

// A segment goes to its record, or into the warp's state.
template <int D>
KV_DEVICE void finish_wide(const AttendArguments& a, const AttendWork& w, const AttendState& state, int first_query, int index, SegmentRows<D>& segment, int lane) {
    if (w.item.records >= 0) {
        const AttendTarget target = target_of(a, w, first_query, index, segment.softmax, lane, true);
        KV_UNROLL for (int i = 0; i < D / 8; i++) {
            write_sums(target, 8 * i + (lane & 3) * 2, segment.sums[i], a.arena.head_dim);
        }
    } else {
        merge_into<D>(state, segment.softmax, segment.sums, lane);
    }
    clear(segment);
}

template <int D> KV_DEVICE void write_state(const AttendArguments& a, const AttendWork& w, const AttendState& state, int first_query, int lane) {
    const Softmax total[2] = {softmax_of(state, lane, 0), softmax_of(state, lane, 1)};
    const AttendTarget target = target_of(a, w, first_query, 0, total, lane, true);
    for (int i = 0; i < D / 8; i++) {
        write_sums(target, 8 * i + (lane & 3) * 2, sums_of(state, i, lane), a.arena.head_dim);
    }
}

template <class T, int D> KV_DEVICE void attend_wide(const AttendArguments& a) {
    KV_DYNAMIC_SHARED(shared);
    const int warp = warp_index(), lane = lane_index();
    const AttendWork w = work_of(a);
    const FormSpace<T, D> space = FormSpace<T, D>::wide(shared, warp);
    const int first_query = w.item.first_query + warp * kQueries;
    prepare_wide(a, w, space, first_query, lane);
    const LaneRows rows = lane_rows(a, w, first_query, lane);
    const bool works = first_query < w.item.end_query;
    const int last_row = works ? (minimum(first_query + kQueries, w.item.end_query) - 1) / a.group : 0;
    SegmentRows<D> segment;
    clear(segment);

    AttendStep step{w.item.first_segment, -1};
    TilePlace place = tile_at(a, w, step, 0, false);
    for (int turn = 0;; turn ^= 1) {
        AttendStep next{step.segment, step.round + 1};
        const bool has_next = seek(a, w, next, kTile), sees = works && place.count > 0 && place.first < visible_kvs(place.end, last_row);
        const TilePlace next_place = tile_at(a, w, next, next.round, has_next);
        take_shared_tile(a, space, rows, place, sees, next_place, has_next, turn, segment, lane);
        if (works && ends_segment(step, next, has_next)) {
            finish_wide<D>(a, w, space.state, first_query, step.segment, segment, lane);
        }
        if (!has_next) {
            break;
        }
        step = next;
        place = next_place;
    }
    if (works && w.item.records < 0) {
        write_state<D>(a, w, space.state, first_query, lane);
    }
}

}  // namespace kv

#define KV_ATTEND(T, name, D)                                                                                                                        \
    KV_KERNEL void KV_BOUNDS(kv::Form<D>::THREADS) kv_attend_narrow_##name##_d##D(kv::AttendArguments a) { kv::attend_narrow<kv::T, D>(a); } \
    KV_KERNEL void KV_BOUNDS(kv::Form<D>::THREADS) kv_observe_##name##_d##D(kv::ScoreArguments a) { kv::observe_tensor<kv::T, D>(a); } \
    KV_KERNEL void KV_BOUNDS(kv::Form<D>::THREADS) kv_attend_wide_##name##_d##D(kv::AttendArguments a) { kv::attend_wide<kv::T, D>(a); }
