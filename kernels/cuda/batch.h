// Which rows belong to which sequence and where their KVs lie, as host code lays it out in one piece of memory per layer (CudaBatch.cs).
#pragma once
#include "pages.h"

namespace kv {

enum Observation { kObserveNothing, kObserveWindow, kObserveAccumulate };
enum SequenceFlags { kSquared = 1, kLargest = 2, kAveragePool = 4, kLongRotary = 8, kLargestOfGroup = 16 };

// Twin: SequenceArguments.
struct Sequence {
    int first_row;
    int row_count;
    int format;
    int low_format;
    int observation;
    int observed_rows;
    int pool_width;
    int flags;
};

// Page ids are indices into Batch::pages; those of the right end are listed in the order of their KVs. Twin: HeadArguments.
struct Head {
    int pages;
    int length;  // before the step
    int low_pages;
    int low_length;
};

// Twin: BatchArguments.
struct Batch {
    const Sequence* sequences;
    const Head* heads;
    const int* positions;      // [rows]
    const int* row_sequences;  // [rows]
    const int* pages;
    const float* row_weights;  // [rows]: factors of what rows record; or null
};

// One end of a head's table.
struct End {
    PageLayout layout;
    const int* pages;
    int length;  // KVs before the step; rows of the step see more of the left end
    bool is_low;
};

KV_DEVICE End end_of(const Arena& arena, const Batch& batch, const Sequence& sequence, const Head& head, bool is_low) {
    End end;
    end.layout = arena.layouts[is_low ? sequence.low_format : sequence.format];
    end.pages = batch.pages + (is_low ? head.low_pages : head.pages);
    end.length = is_low ? head.low_length : head.length;
    end.is_low = is_low;
    return end;
}

// KVs of an end that a row of the step may see; a sliding window hides more.
KV_DEVICE int visible_kvs(const End& end, int row) { return end.is_low ? end.length : end.length + row + 1; }

}  // namespace kv
