// Attention in single precision, a warp per query: for pages of singles, where exactness counts more than speed. Lanes share out the KVs of a tile for
// logits, and coordinates for sums of values.
#include "attention.h"

namespace kv {

constexpr int kPlainWarps = 4, kLaneNumbers = 8;  // of heads of up to 256 numbers

struct PlainRecord {
    Softmax softmax;
    float sums[kLaneNumbers];
};

KV_DEVICE void clear(PlainRecord& record) {
    record.softmax = nothing_seen();
    KV_UNROLL for (int i = 0; i < kLaneNumbers; i++) {
        record.sums[i] = 0.0f;
    }
}

KV_DEVICE void merge(PlainRecord& earlier, const PlainRecord& later) {
    float keep, add;
    merge(earlier.softmax, later.softmax, keep, add);
    KV_UNROLL for (int i = 0; i < kLaneNumbers; i++) {
        earlier.sums[i] = fma(earlier.sums[i], keep, later.sums[i] * add);
    }
}

KV_DEVICE void attend_tile(const AttendArguments& a, const End& end, const float* query, int first, int limit, int oldest, PlainRecord& record) {
    const int lane = lane_index(), head_dim = a.arena.head_dim, kv = first + lane;
    bool seen = kv < limit;
    int slot;
    u8* page = locate(a.arena, end, seen ? kv : first, slot);
    seen = seen && *position_of(end.layout, page, slot) > oldest;
    float logit = -INFINITE;
    if (seen) {
        float product = 0.0f;
        for (int i = 0; i < head_dim; i++) {
            product = fma(query[i] * a.factor, key_number(end.layout, page, slot, i, head_dim), product);
        }
        logit = finish_logit(product, a.cap);
        if (end.layout.log_weights >= 0) {
            logit += *log_weight_of(end.layout, page, slot) * LOG2_OF_E;
        }
    }
    clear(record);
    const float largest = warp_maximum(logit);
    const float weight = seen ? exp2_fast(logit - (largest == -INFINITE ? 0.0f : largest)) : 0.0f;
    record.softmax = Softmax{largest, warp_sum(weight)};
    const u32 looked = ballot(seen && weight != 0.0f);
    for (int j = 0; j < kTile; j++) {
        if (!(looked >> j & 1)) {
            continue;
        }
        const float share = shuffle(weight, j);
        int other;
        u8* values = locate(a.arena, end, first + j, other);
        KV_UNROLL for (int i = 0; i < kLaneNumbers; i++) {
            if (i * 32 + lane < head_dim) {
                record.sums[i] = fma(share, value_number(end.layout, values, other, i * 32 + lane, head_dim), record.sums[i]);
            }
        }
    }
}

KV_DEVICE void attend_segment(const AttendArguments& a, const Segment& segment, const float* query, int row, int oldest, PlainRecord& record) {
    clear(record);
    const int visible = visible_kvs(segment.end, row), limit = minimum(visible, segment.start + kSegment);
    if (limit <= segment.start || (a.sliding_window > 0 && position_at(a.arena, segment.end, limit - 1) <= oldest)) {
        return;
    }
    for (int first = segment.start; first < limit; first += kTile) {
        PlainRecord tile;
        attend_tile(a, segment.end, query, first, limit, oldest, tile);
        merge(record, tile);
    }
}

KV_DEVICE void write_record(const AttendArguments& a, int index, const PlainRecord& record) {
    float* target = a.records + (u64)index * a.record_size;
    const int lane = lane_index();
    if (lane == 0) {
        target[0] = record.softmax.largest;
        target[1] = record.softmax.sum;
    }
    KV_UNROLL for (int i = 0; i < kLaneNumbers; i++) {
        if (i * 32 + lane < a.arena.head_dim) {
            target[kRecordHeader + i * 32 + lane] = record.sums[i];
        }
    }
}

KV_DEVICE void write_result(const AttendArguments& a, int batch_row, int query_head, const PlainRecord& record) {
    float* target = a.output + (u64)batch_row * a.output_stride + query_head * a.arena.head_dim;
    const float reciprocal = reciprocal_of(record.softmax);
    const int lane = lane_index();
    KV_UNROLL for (int i = 0; i < kLaneNumbers; i++) {
        if (i * 32 + lane < a.arena.head_dim) {
            target[i * 32 + lane] = record.sums[i] * reciprocal;
        }
    }
    if (a.statistics && lane == 0) {
        float* statistics = a.statistics + 2 * ((u64)batch_row * a.query_heads + query_head);
        statistics[0] = record.softmax.largest;
        statistics[1] = reciprocal;
    }
}

constexpr int kMergeThreads = 128, kMergedNumbers = 2;

KV_DEVICE void write_merged(const AttendArguments& a, int batch_row, int query_head, const Softmax& total, const float (&sums)[kMergedNumbers]) {
    const float reciprocal = reciprocal_of(total);
    float* target = a.output + (u64)batch_row * a.output_stride + query_head * a.arena.head_dim;
    KV_UNROLL for (int j = 0; j < kMergedNumbers; j++) {
        const int i = thread_index() + j * kMergeThreads;
        if (i < a.arena.head_dim) {
            target[i] = sums[j] * reciprocal;
        }
    }
    if (a.statistics && thread_index() == 0) {
        float* statistics = a.statistics + 2 * ((u64)batch_row * a.query_heads + query_head);
        statistics[0] = total.largest;
        statistics[1] = reciprocal;
    }
}

KV_DEVICE void attend_plain(const AttendArguments& a) {
    const AttendItem item = a.items[a.first_item + block_x()];
    const Sequence sequence = a.batch.sequences[item.sequence];
    const Head head = a.batch.heads[item.sequence * a.kv_heads + item.kv_head];
    for (int index = item.first_query + warp_index(); index < item.end_query; index += kPlainWarps) {
        const int row = index / a.group, query_head = item.kv_head * a.group + index % a.group, batch_row = sequence.first_row + row;
        const int oldest = a.sliding_window > 0 ? a.batch.positions[batch_row] - a.sliding_window : -1;
        PlainRecord total;
        clear(total);
        for (int i = item.first_segment; i < item.end_segment; i++) {
            const Segment segment = segment_at(a.arena, a.batch, sequence, head, i);
            PlainRecord record;
            attend_segment(a, segment, query_for(a, segment.end.layout, batch_row, query_head), row, oldest, record);
            if (item.records >= 0) {
                write_record(a, item.records + (index - item.first_query) * item.record_segments + i, record);
            } else {
                merge(total, record);
            }
        }
        if (item.records < 0) {
            write_result(a, batch_row, query_head, total);
        }
    }
}

// A sum of values over the right end, from the way in which that holds them to the left end's; every thread of the block calls it with its coordinates' sums.
KV_DEVICE void cross_ends(const AttendArguments& a, bool left_turns, float (&sums)[kMergedNumbers]) {
    KV_DYNAMIC_SHARED(shared);
    float* vector = (float*)shared;
    const int head_dim = a.arena.head_dim;
    KV_UNROLL for (int j = 0; j < kMergedNumbers; j++) {
        const int i = thread_index() + j * kMergeThreads;
        if (i < head_dim) {
            vector[i] = sums[j];
        }
    }
    block_sync();
    if (warp_index() == 0) {
        if (left_turns) {
            turn(vector, head_dim, a.arena.signs, lane_index());
        } else {
            turn_back(vector, head_dim, a.arena.signs, lane_index());
        }
    }
    block_sync();
    KV_UNROLL for (int j = 0; j < kMergedNumbers; j++) {
        const int i = thread_index() + j * kMergeThreads;
        sums[j] = i < head_dim ? vector[i] : 0.0f;
    }
}

// Merges the records of one query, in their order, into its result; coordinates are shared out among the threads.
KV_DEVICE void merge_records(const AttendArguments& a) {
    const AttendItem item = a.items[a.first_item + block_x()];
    const int index = item.first_query + block_y(), head_dim = a.arena.head_dim;
    if (index >= item.end_query) {
        return;
    }
    const Sequence sequence = a.batch.sequences[item.sequence];
    const Head head = a.batch.heads[item.sequence * a.kv_heads + item.kv_head];
    const int crossing = ends_differ(a.arena, sequence, head, kTurnsValues) ? segments_of(head.low_length) : -1;
    const float* record = a.records + (u64)(item.records + block_y() * item.record_segments) * a.record_size;
    Softmax total = nothing_seen();
    float sums[kMergedNumbers] = {0.0f, 0.0f};
    for (int segment = 0; segment < item.record_segments; segment++, record += a.record_size) {
        if (segment == crossing) {
            cross_ends(a, turns_values(a.arena.layouts[sequence.format]), sums);
        }
        if (record[1] == 0.0f) {
            continue;  // nobody wrote its sums
        }
        float keep, add;
        merge(total, Softmax{record[0], record[1]}, keep, add);
        KV_UNROLL for (int j = 0; j < kMergedNumbers; j++) {
            const int i = thread_index() + j * kMergeThreads;
            sums[j] = i < head_dim ? fma(sums[j], keep, record[kRecordHeader + i] * add) : 0.0f;
        }
    }
    write_merged(a, sequence.first_row + index / a.group, item.kv_head * a.group + index % a.group, total, sums);
}

// Queries as turned keys need them, and results as they are wanted where values are turned: a warp per row and query head.
KV_DEVICE void turn_query(const AttendArguments& a) {
    const int batch_row = block_x(), query_head = block_y() * kPlainWarps + warp_index(), lane = lane_index(), head_dim = a.arena.head_dim;
    if (query_head >= a.query_heads) {
        return;
    }
    const float* query = a.rows + (u64)batch_row * a.row_stride + query_head * head_dim;
    float* turned = a.turned + ((u64)batch_row * a.query_heads + query_head) * head_dim;
    for (int i = lane; i < head_dim; i += 32) {
        turned[i] = query[i];
    }
    turn(turned, head_dim, a.arena.signs, lane);
}

KV_DEVICE void turn_result_back(const AttendArguments& a) {
    const int batch_row = block_x(), query_head = block_y() * kPlainWarps + warp_index();
    const Sequence sequence = a.batch.sequences[a.batch.row_sequences[batch_row]];
    if (query_head < a.query_heads && turns_values(a.arena.layouts[sequence.format])) {
        turn_back(a.output + (u64)batch_row * a.output_stride + query_head * a.arena.head_dim, a.arena.head_dim, a.arena.signs, lane_index());
    }
}

}  // namespace kv

KV_KERNEL void KV_BOUNDS(128) kv_attend_plain(kv::AttendArguments a) { kv::attend_plain(a); }
KV_KERNEL void KV_BOUNDS(128) kv_merge_records(kv::AttendArguments a) { kv::merge_records(a); }
KV_KERNEL void KV_BOUNDS(128) kv_turn_queries(kv::AttendArguments a) { kv::turn_query(a); }
KV_KERNEL void KV_BOUNDS(128) kv_turn_results_back(kv::AttendArguments a) { kv::turn_result_back(a); }
