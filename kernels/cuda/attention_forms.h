// Attention on tensor cores, in two forms with the same arithmetic. Narrow: 16 queries or fewer (decoding), each warp has tiles of its own, keys and values
// are read once for the whole group. Wide: 16 queries for each warp (prompts), all warps share each tile. Loading overlaps with computing: keys of the next tile
// come while values of this one are multiplied, its values while the next keys are.
#pragma once
#include "attention_scores.h"

namespace kv {

template <class T, int D> KV_DEVICE void attend_narrow(const AttendArguments& a) {
    KV_DYNAMIC_SHARED(shared);
    constexpr int WARPS = Form<D>::WARPS, WARP_BYTES = 2 * Form<D>::TILE_BYTES + 2 * Form<D>::TABLE_BYTES, KVS_OF_ROUND = WARPS * kTile;
    const int warp = warp_index(), lane = lane_index();
    const AttendWork w = work_of(a);
    u8* space = shared + warp * WARP_BYTES;
    u16 *keys = (u16*)space, *values = (u16*)(space + Form<D>::TILE_BYTES);
    TileTable* tables = (TileTable*)(space + 2 * Form<D>::TILE_BYTES);
    const QueryRows<T, D> queries = QuerySpace<T, D>::at(shared + WARPS * WARP_BYTES);
    const AttendState state = state_at(shared + WARPS * WARP_BYTES + QuerySpace<T, D>::BYTES, D);

    for (int row = warp; row < kQueries; row += WARPS) {
        const int index = w.item.first_query + row;
        prepare_query(queries, row, index < w.item.end_query ? query_at(a, w, index) : nullptr, a.factor, a.arena.head_dim, lane);
    }
    if (w.item.records >= 0) {
        clear_records(a, w);
    }
    if (warp == 0) {
        clear_state(state, lane);
    }
    const LaneRows rows = lane_rows(a, w, w.item.first_query, lane);
    block_sync();

    // The first turn has no tile yet and only loads the first ones.
    AttendStep step{w.item.first_segment, -1};
    TilePlace place = tile_at(a, w, step, 0, false);
    for (int turn = 0;; turn ^= 1) {
        AttendStep next{step.segment, step.round + 1};
        const bool has_next = seek(a, w, next, KVS_OF_ROUND);
        const TilePlace next_place = tile_at(a, w, next, next.round * WARPS + warp, has_next);
        if (next_place.count > 0) {
            fill_table<T>(a.arena, next_place, tables[turn ^ 1], lane);
        }
        copy_wait<1>();
        warp_sync();
        Fragment parts[Precision<T>::PARTS][2];
        TileSoftmax softmax;
        if (place.count > 0) {
            Accumulator x[4];
            multiply_keys(queries, keys, x, lane);
            make_logits(a, place, tables[turn], queries, rows, x, lane);
            softmax = make_probabilities<T>(place, tables[turn], x, lane);
            split_probabilities<T>(x, parts);
        }
        warp_sync();
        if (next_place.count > 0) {
            load_keys<T, D>(a.arena, next_place, tables[turn ^ 1], keys, lane, 32);
        }
        copy_commit();
        copy_wait<1>();
        warp_sync();
        Accumulator sums[D / 8];
        if (place.count > 0) {
            multiply_values<T, D>(parts, softmax, values, lane, [&](int i, const Accumulator& sum) { sums[i] = sum; });
        }
        warp_sync();
        if (next_place.count > 0) {
            load_values<T, D>(a.arena, next_place, tables[turn ^ 1], values, lane, 32);
        }
        copy_commit();
        KV_NO_UNROLL for (int turn_of = 0; step.round >= 0 && turn_of < WARPS; turn_of++) {
            if (warp == turn_of && place.count > 0) {
                merge_into<D>(state, softmax.rows, sums, lane);
            }
            block_sync();
        }
        if (step.round >= 0 && (!has_next || next.segment != step.segment)) {
            const Softmax segment_rows[2] = {softmax_of(state, lane, 0), softmax_of(state, lane, 1)};
            const AttendTarget target = target_of(a, w, w.item.first_query, step.segment, segment_rows, lane, warp == 0);
            for (int i = warp; i < D / 8; i += WARPS) {
                write_sums(target, 8 * i + (lane & 3) * 2, sums_of(state, i, lane), a.arena.head_dim);
            }
            block_sync();
            if (warp == 0) {
                clear_state(state, lane);  // who merges next comes after this warp, or a barrier later
            }
        }
        if (!has_next) {
            break;
        }
        step = next;
        place = next_place;
    }
}

template <class T, int D> KV_DEVICE void attend_wide(const AttendArguments& a) {
    KV_DYNAMIC_SHARED(shared);
    constexpr int THREADS = Form<D>::THREADS, WARP_BYTES = QuerySpace<T, D>::BYTES + Form<D>::STATE_BYTES;
    const int warp = warp_index(), lane = lane_index(), thread = thread_index();
    const AttendWork w = work_of(a);
    u16 *keys = (u16*)shared, *values = (u16*)(shared + Form<D>::TILE_BYTES);
    TileTable* tables = (TileTable*)(shared + 2 * Form<D>::TILE_BYTES);
    u8* space = shared + 2 * Form<D>::TILE_BYTES + 2 * Form<D>::TABLE_BYTES + warp * WARP_BYTES;
    const QueryRows<T, D> queries = QuerySpace<T, D>::at(space);
    const AttendState state = state_at(space + QuerySpace<T, D>::BYTES, D);

    const int first_query = w.item.first_query + warp * kQueries;
    KV_NO_UNROLL for (int row = 0; row < kQueries; row++) {
        prepare_query(queries, row, first_query + row < w.item.end_query ? query_at(a, w, first_query + row) : nullptr, a.factor, a.arena.head_dim, lane);
    }
    if (w.item.records >= 0) {
        clear_records(a, w);
    }
    clear_state(state, lane);
    const LaneRows rows = lane_rows(a, w, first_query, lane);
    const bool works = first_query < w.item.end_query;
    const int last_row = works ? (minimum(first_query + kQueries, w.item.end_query) - 1) / a.group : 0;
    Accumulator sums[D / 8];
    Softmax segment_rows[2] = {nothing_seen(), nothing_seen()};
    KV_UNROLL for (int i = 0; i < D / 8; i++) {
        sums[i] = Accumulator{{0.0f, 0.0f, 0.0f, 0.0f}};
    }

    AttendStep step{w.item.first_segment, -1};
    TilePlace place = tile_at(a, w, step, 0, false);
    for (int turn = 0;; turn ^= 1) {
        AttendStep next{step.segment, step.round + 1};
        const bool has_next = seek(a, w, next, kTile), sees = works && place.count > 0 && place.first < visible_kvs(place.end, last_row);
        const TilePlace next_place = tile_at(a, w, next, next.round, has_next);
        if (warp == 0 && has_next) {
            fill_table<T>(a.arena, next_place, tables[turn ^ 1], lane);
        }
        copy_wait<1>();
        block_sync();
        Fragment parts[Precision<T>::PARTS][2];
        TileSoftmax softmax;
        if (sees) {
            Accumulator x[4];
            multiply_keys(queries, keys, x, lane);
            make_logits(a, place, tables[turn], queries, rows, x, lane);
            softmax = make_probabilities<T>(place, tables[turn], x, lane);
            split_probabilities<T>(x, parts);
        }
        block_sync();
        if (has_next) {
            load_keys<T, D>(a.arena, next_place, tables[turn ^ 1], keys, thread, THREADS);
        }
        copy_commit();
        copy_wait<1>();
        block_sync();
        if (sees) {
            float keep[2], add[2];
            KV_UNROLL for (int half = 0; half < 2; half++) {
                merge(segment_rows[half], softmax.rows[half], keep[half], add[half]);
            }
            multiply_values<T, D>(parts, softmax, values, lane, [&](int i, const Accumulator& sum) {
                KV_UNROLL for (int j = 0; j < 4; j++) {
                    sums[i].r[j] = fma(sums[i].r[j], keep[j >> 1], sum.r[j] * add[j >> 1]);
                }
            });
        }
        block_sync();
        if (has_next) {
            load_values<T, D>(a.arena, next_place, tables[turn ^ 1], values, thread, THREADS);
        }
        copy_commit();
        if (works && step.round >= 0 && (!has_next || next.segment != step.segment)) {
            if (w.item.records >= 0) {
                const AttendTarget target = target_of(a, w, first_query, step.segment, segment_rows, lane, true);
                KV_UNROLL for (int i = 0; i < D / 8; i++) {
                    write_sums(target, 8 * i + (lane & 3) * 2, sums[i], a.arena.head_dim);
                }
            } else {
                merge_into<D>(state, segment_rows, sums, lane);
            }
            KV_UNROLL for (int half = 0; half < 2; half++) {
                segment_rows[half] = nothing_seen();
            }
            KV_UNROLL for (int i = 0; i < D / 8; i++) {
                sums[i] = Accumulator{{0.0f, 0.0f, 0.0f, 0.0f}};
            }
        }
        if (!has_next) {
            break;
        }
        step = next;
        place = next_place;
    }
    if (works && w.item.records < 0) {
        const Softmax total[2] = {softmax_of(state, lane, 0), softmax_of(state, lane, 1)};
        const AttendTarget target = target_of(a, w, first_query, 0, total, lane, true);
        for (int i = 0; i < D / 8; i++) {
            write_sums(target, 8 * i + (lane & 3) * 2, sums_of(state, i, lane), a.arena.head_dim);
        }
    }
}

}  // namespace kv

#define KV_ATTEND(T, name, D)                                                                                                                        \
    KV_KERNEL void KV_BOUNDS(kv::Form<D>::THREADS) kv_attend_narrow_##name##_d##D(kv::AttendArguments a) { kv::attend_narrow<kv::T, D>(a); } \
    KV_KERNEL void KV_BOUNDS(kv::Form<D>::THREADS) kv_observe_##name##_d##D(kv::ScoreArguments a) { kv::observe_tensor<kv::T, D>(a); } \
    KV_KERNEL void KV_BOUNDS(kv::Form<D>::THREADS) kv_attend_wide_##name##_d##D(kv::AttendArguments a) { kv::attend_wide<kv::T, D>(a); }
