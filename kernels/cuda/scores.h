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

}  // namespace kv
