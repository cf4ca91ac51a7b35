#pragma once
#include "primitives.h"

namespace kv {

// A head's scores and how many of its pages may go. Twin: SelectionHead.
struct SelectionHead {
    int first;     // of its scores, and of its marks
    int length;
    int sequence;
    int most;      // pages that may go, what is pinned not looked at
};

// Twin: SelectionSequence.
struct SelectionSequence {
    int first_head;
    int head_count;
    int page_tokens;
    int to_free;
};

// What kernels of a selection tell each other about a head. Twin: SelectionState.
struct SelectionState {
    int most;   // pages that may go
    u32 below;  // KVs whose keys are below those that the digits found so far leave open
    int taken;  // pages that go
    int padding;
};

// Twin: SelectionArguments.
struct SelectionArguments {
    const SelectionHead* heads;
    const SelectionSequence* sequences;
    const float* scores;
    u8* keep;               // 1 where a KV stays
    SelectionState* states;
    u32* counts;            // [heads, 256]: KVs of a head up to each digit of the last level
    u32* pages;             // [sequences, 5, 256]: pages that go up to each digit of each level; then how many may go in all
    int level;
    int padding;
};

}  // namespace kv
