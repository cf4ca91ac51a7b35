#pragma once
#include "attention.h"

namespace kv {

// A run of KVs of one end, whose scores the observed rows of its sequence make. Twin: ScoreItem.
struct ScoreItem {
    int sequence;
    int kv_head;
    int is_low;
    int first;       // KV, counted in the end
    int sums;        // where the sums of the end's KV 0 are, member 0; window mode only
    int sum_stride;  // from one member to the next
};

// Twin: ScoreArguments.
struct ScoreArguments {
    AttendArguments attend;
    const ScoreItem* items;
    float* sums;
    int run;  // KVs of an item
    int padding;
};

// One attention weight more for a KV.
KV_DEVICE float combine(float sum, float attention, int flags) {
    return flags & kLargest ? maximum(attention, sum) : flags & kSquared ? fma(attention, attention, sum) : sum + attention;
}

// How the attention weights are combined that a KV's sum is made of first: those of a window's rows, or of an accumulated row's group.
KV_DEVICE int first_flags(const Sequence& sequence) {
    const bool of_group = sequence.observation == kObserveAccumulate && (sequence.flags & kLargestOfGroup);
    return of_group ? sequence.flags | kLargest : sequence.flags;
}

// The reciprocal sum of a row's softmax, by which its recorded weights are multiplied, with the row's own factor.
KV_DEVICE float recorded_reciprocal(const Batch& batch, int batch_row, float reciprocal) {
    return batch.row_weights ? reciprocal * batch.row_weights[batch_row] : reciprocal;
}

}  // namespace kv
