// What a block of the tensor-core forms works on, where it goes next, and where its results go.
#pragma once
#include "attention_tensor.h"

namespace kv {

template <int D> struct Form {
    static constexpr int WARPS = D > 128 ? 2 : 4;
    static constexpr int THREADS = 32 * WARPS;
    static constexpr int TILE_BYTES = kTile * TileRows<D>::BYTES_OF_ROW;
    static constexpr int TABLE_BYTES = sizeof(TileTable);
    static constexpr int STATE_BYTES = kQueries * D * 4 + kQueries * 8;  // sums of values, then largest and sum of each row
};

template <class T, int D> struct QuerySpace {
    static constexpr int PART_BYTES = kQueries * TileRows<D>::BYTES_OF_ROW;
    static constexpr int BYTES = Precision<T>::PARTS * PART_BYTES + kQueries * 8;
    static KV_DEVICE QueryRows<T, D> at(u8* space) {
        QueryRows<T, D> rows;
        KV_UNROLL for (int part = 0; part < Precision<T>::PARTS; part++) {
            rows.parts[part] = (u16*)(space + part * PART_BYTES);
        }
        rows.factors = (float*)(space + Precision<T>::PARTS * PART_BYTES);
        rows.sums = rows.factors + kQueries;
        return rows;
    }
};

// What a block works on.
struct AttendWork {
    AttendItem item;
    Sequence sequence;
    Head head;
    int last_row;  // of the item
    int oldest;    // hidden from all of its rows by the sliding window, up to this position
    bool is_low;   // whether the first segment is of the right end; where that makes a difference for queries, all of the item's are
};

KV_DEVICE AttendWork work_of(const AttendArguments& a) {
    AttendWork w;
    w.item = a.items[a.first_item + block_x()];
    w.sequence = a.batch.sequences[w.item.sequence];
    w.head = a.batch.heads[w.item.sequence * a.kv_heads + w.item.kv_head];
    w.last_row = (w.item.end_query - 1) / a.group;
    w.oldest = a.sliding_window > 0 ? a.batch.positions[w.sequence.first_row + w.item.first_query / a.group] - a.sliding_window : -1;
    w.is_low = w.item.first_segment < segments_of(w.head.low_length);
    return w;
}

KV_DEVICE const float* query_at(const AttendArguments& a, const AttendWork& w, int index) {
    const int row = index / a.group;
    return query_for(a, a.arena.layouts[w.is_low ? w.sequence.low_format : w.sequence.format], w.sequence.first_row + row, w.item.kv_head * a.group + index - row * a.group);
}

// The rows of a lane, given the first of its warp's 16 queries; those beyond the item's see what its last one sees, and are not written.
KV_DEVICE LaneRows lane_rows(const AttendArguments& a, const AttendWork& w, int first_query, int lane) {
    LaneRows rows;
    KV_UNROLL for (int half = 0; half < 2; half++) {
        const int index = minimum(first_query + (lane >> 2) + 8 * half, w.item.end_query - 1);
        rows.row[half] = index / a.group;
        rows.oldest[half] = a.sliding_window > 0 ? a.batch.positions[w.sequence.first_row + rows.row[half]] - a.sliding_window : -1;
    }
    return rows;
}

// A step: a segment, and in it a run of tiles that the block takes at once (narrow), or one tile.
struct AttendStep {
    int segment;
    int round;
};

// Goes on to the next step of which some row of the block sees anything; false where there is none.
KV_DEVICE bool seek(const AttendArguments& a, const AttendWork& w, AttendStep& step, int kvs_of_round) {
    while (step.segment < w.item.end_segment) {
        const Segment segment = segment_at(a.arena, a.batch, w.sequence, w.head, step.segment);
        const int visible = visible_kvs(segment.end, w.last_row), first = segment.start + step.round * kvs_of_round;
        if (step.round * kvs_of_round >= kSegment || first >= visible) {
            step.segment++;
            step.round = 0;
            continue;
        }
        const int last = minimum(first + kvs_of_round, visible) - 1;
        if (a.sliding_window == 0 || position_at(a.arena, segment.end, last) > w.oldest) {
            return true;
        }
        step.round++;
    }
    return false;
}

KV_DEVICE TilePlace tile_at(const AttendArguments& a, const AttendWork& w, const AttendStep& step, int tile, bool exists) {
    const Segment segment = segment_at(a.arena, a.batch, w.sequence, w.head, exists ? step.segment : w.item.first_segment);
    TilePlace place;
    place.end = segment.end;
    place.first = segment.start + tile * kTile;
    const int count = minimum(visible_kvs(segment.end, w.last_row) - place.first, kTile);
    place.count = exists ? maximum(count, 0) : 0;
    return place;
}

// Records of segments that nobody sees.
KV_DEVICE void clear_records(const AttendArguments& a, const AttendWork& w) {
    const int segments = w.item.end_segment - w.item.first_segment, count = segments * (w.item.end_query - w.item.first_query);
    for (int i = thread_index(); i < count; i += block_size()) {
        const int query = i / segments, segment = w.item.first_segment + i - query * segments;
        a.records[(u64)(w.item.records + query * w.item.record_segments + segment) * a.record_size + 1] = 0.0f;
    }
}

// Two rows of a lane and eight coordinates: to a record, or to the output. Warps that share rows let one write their statistics.
struct AttendTarget {
    float* numbers[2];  // of coordinate 0, or null
    float factor[2];
};

KV_DEVICE AttendTarget target_of(const AttendArguments& a, const AttendWork& w, int first_query, int segment, const Softmax (&rows)[2], int lane, bool writes_statistics) {
    AttendTarget target;
    KV_UNROLL for (int half = 0; half < 2; half++) {
        const int index = first_query + (lane >> 2) + 8 * half;
        target.numbers[half] = nullptr;
        target.factor[half] = 1.0f;
        if (index >= w.item.end_query) {
            continue;
        }
        if (w.item.records >= 0) {
            float* record = a.records + (u64)(w.item.records + (index - w.item.first_query) * w.item.record_segments + segment) * a.record_size;
            target.numbers[half] = record + kRecordHeader;
            if (writes_statistics && (lane & 3) == 0) {
                record[0] = rows[half].largest;
                record[1] = rows[half].sum;
            }
            continue;
        }
        const int row = index / a.group, query_head = w.item.kv_head * a.group + index - row * a.group, batch_row = w.sequence.first_row + row;
        target.numbers[half] = a.output + (u64)batch_row * a.output_stride + query_head * a.arena.head_dim;
        target.factor[half] = reciprocal_of(rows[half]);
        if (writes_statistics && a.statistics && (lane & 3) == 0) {
            float* statistics = a.statistics + 2 * ((u64)batch_row * a.query_heads + query_head);
            statistics[0] = rows[half].largest;
            statistics[1] = target.factor[half];
        }
    }
    return target;
}

KV_DEVICE void write_sums(const AttendTarget& target, int coordinate, const Accumulator& sums, int head_dim) {
    KV_UNROLL for (int j = 0; j < 4; j++) {
        const int i = coordinate + (j & 1);
        if (target.numbers[j >> 1] && i < head_dim) {
            target.numbers[j >> 1][i] = sums.r[j] * target.factor[j >> 1];
        }
    }
}

// A softmax over several segments or tiles in shared memory: sums of values as lanes hold them, one lane beside the other, so that banks do not meet.
struct AttendState {
    float* sums;
    float* softmax;  // [16][2]
};

KV_DEVICE AttendState state_at(u8* space, int head_dim) { return AttendState{(float*)space, (float*)space + kQueries * head_dim}; }

KV_DEVICE void clear_state(const AttendState& state, int lane) {
    if (lane < kQueries) {
        state.softmax[2 * lane] = -INFINITE;
        state.softmax[2 * lane + 1] = 0.0f;
    }
}

KV_DEVICE Softmax softmax_of(const AttendState& state, int lane, int half) {
    const float* row = state.softmax + 2 * ((lane >> 2) + 8 * half);
    return Softmax{row[0], row[1]};
}

// One warp merges what it has into a state.
template <int D> KV_DEVICE void merge_into(const AttendState& state, const Softmax (&rows)[2], const Accumulator (&sums)[D / 8], int lane) {
    float keep[2], add[2];
    bool seen[2];
    KV_UNROLL for (int half = 0; half < 2; half++) {
        Softmax merged = softmax_of(state, lane, half);
        seen[half] = merged.sum != 0.0f;
        merge(merged, rows[half], keep[half], add[half]);
        warp_sync();
        if ((lane & 3) == 0) {
            float* row = state.softmax + 2 * ((lane >> 2) + 8 * half);
            row[0] = merged.largest;
            row[1] = merged.sum;
        }
    }
    KV_UNROLL for (int i = 0; i < D / 8; i++) {
        KV_UNROLL for (int j = 0; j < 4; j++) {
            float* sum = state.sums + (i * 4 + j) * 32 + lane;
            *sum = fma(seen[j >> 1] ? *sum : 0.0f, keep[j >> 1], sums[i].r[j] * add[j >> 1]);
        }
    }
    warp_sync();
}

KV_DEVICE Accumulator sums_of(const AttendState& state, int i, int lane) {
    Accumulator sums;
    KV_UNROLL for (int j = 0; j < 4; j++) {
        sums.r[j] = state.sums[(i * 4 + j) * 32 + lane];
    }
    return sums;
}

}  // namespace kv
