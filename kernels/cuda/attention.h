// What the attention kernels share: their arguments, how a head is cut, and how softmaxes are merged.
//
// A head is its right end, then its left end; each is cut into segments of 256 KVs from its first slot on, a segment into tiles of 32. A tile has a softmax of
// its own. Tiles are merged into their segment one after another, segments into the head one after another, whoever computes them: so a row's bits do not
// depend on how many rows come with it nor on how segments are shared out. What a row sees nothing of changes nothing.
#pragma once
#include "batch.h"

namespace kv {

constexpr int kTile = 32, kSegment = 256;

// Queries of one KV head, row by row and within a row by member of the group, and the segments that they look at. Twin: AttendItem.
struct AttendItem {
    int sequence;
    int kv_head;
    int first_query;
    int end_query;
    int first_segment;
    int end_segment;
    int records;          // -1: results go to the output; else the record of the first query's segment 0
    int record_segments;  // records of one query
};

// Twin: AttendArguments.
struct AttendArguments {
    Arena arena;
    Batch batch;
    const AttendItem* items;
    const float* rows;  // [rows, row_stride]: queries first
    float* turned;      // [rows, query_heads, head_dim]: queries for keys that are turned; or null
    float* output;      // [rows, output_stride]
    float* records;     // [records, record_size]: largest logit, sum, then the weighted sum of values from kRecordHeader on
    float* statistics;  // [rows, query_heads, 2]: largest logit and reciprocal sum; or null
    u64 row_stride;
    u64 output_stride;
    int first_item;     // of this launch
    int query_heads;
    int kv_heads;
    int group;
    int record_size;
    int sliding_window;
    float factor;       // of dot products; logits are in powers of two
    float cap;          // 0, or what tanh is multiplied with
};

constexpr int kRecordHeader = 4;

// The query of a row for keys of a layout: as it is, or turned like them.
KV_DEVICE const float* query_for(const AttendArguments& a, const PageLayout& layout, int batch_row, int query_head) {
    return turns_keys(layout) ? a.turned + ((u64)batch_row * a.query_heads + query_head) * a.arena.head_dim
                              : a.rows + (u64)batch_row * a.row_stride + query_head * a.arena.head_dim;
}

// A softmax over some KVs. A sum of 0 means that nothing was seen.
struct Softmax {
    float largest;
    float sum;
};

KV_DEVICE Softmax nothing_seen() { return Softmax{-INFINITE, 0.0f}; }

// Merges a later softmax into an earlier one: sums of values become keep * earlier + add * later.
KV_DEVICE void merge(Softmax& earlier, const Softmax& later, float& keep, float& add) {
    keep = 1.0f;
    add = 0.0f;
    if (later.sum == 0.0f) {
        return;
    }
    const float largest = maximum(later.largest, earlier.largest);
    keep = exp2_fast(earlier.largest - largest);
    add = exp2_fast(later.largest - largest);
    earlier.largest = largest;
    earlier.sum = fma(earlier.sum, keep, later.sum * add);
}

KV_DEVICE float reciprocal_of(const Softmax& softmax) { return softmax.sum == 0.0f ? 0.0f : 1.0f / softmax.sum; }

// From a scaled dot product to a logit, as a power of two. Near 0 the cap's error is that of numbers near the cap: a softmax sees differences alone.
KV_DEVICE float finish_logit(float x, float cap) { return cap == 0.0f ? x : cap - 2.0f * cap / (exp2_fast(x * (2.0f * LOG2_OF_E)) + 1.0f); }

// A segment of one of the two ends.
struct Segment {
    End end;
    int start;  // first KV, counted in the end
};

KV_DEVICE int segments_of(int kvs) { return (kvs + kSegment - 1) / kSegment; }

KV_DEVICE Segment segment_at(const Arena& arena, const Batch& batch, const Sequence& sequence, const Head& head, int index) {
    const int low = segments_of(head.low_length);
    Segment segment;
    segment.end = end_of(arena, batch, sequence, head, index < low);
    segment.start = (index < low ? index : index - low) * kSegment;
    return segment;
}

// Whether a head's ends hold keys or values in different ways, one turned, the other not: then every segment leaves a record, and items have segments of one end.
KV_DEVICE bool ends_differ(const Arena& arena, const Sequence& sequence, const Head& head, int flags) {
    return head.low_length > 0 && ((arena.layouts[sequence.format].turns ^ arena.layouts[sequence.low_format].turns) & flags);
}

KV_DEVICE u8* locate(const Arena& arena, const End& end, int kv, int& slot) {
    const int page = kv / end.layout.slots;
    slot = kv - page * end.layout.slots;
    return page_at(arena, end.pages[page]);
}

KV_DEVICE int position_at(const Arena& arena, const End& end, int kv) {
    int slot;
    u8* page = locate(arena, end, kv, slot);
    return *position_of(end.layout, page, slot);
}

}  // namespace kv
