#pragma once
#include "attention.h"

namespace kv {

// A run of KVs of one end, whose scores the observed rows of its sequence make. Twin: ScoreItem.
struct ScoreItem {
    int sequence;
    int kv_head;
    int is_low;
    int first;       // KV, counted in the end; a multiple of kScoreRun
    int sums;        // where the sums of the end's KV 0 are, member 0; window mode only
    int sum_stride;  // from one member to the next
};

// Twin: ScoreArguments.
struct ScoreArguments {
    AttendArguments attend;
    const ScoreItem* items;
    float* sums;
};

constexpr int kScoreWarps = 2, kScoreRun = kScoreWarps * kTile;

}  // namespace kv
