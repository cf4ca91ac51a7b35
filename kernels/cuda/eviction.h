#pragma once
#include "pages.h"

namespace kv {

// A head whose KVs are scored, chosen among and moved. Twin: EvictionHead.
struct EvictionHead {
    int first;   // of its scores, and of its marks
    int length;
    int pages;   // where its page ids start
    int moves;   // where its moves start
};

// KVs at positions from start up to end get a score. Twin: KvMark.
struct Mark {
    int start;
    int end;
    float score;
};

// What is left of a head when KVs have gone. Twin: EvictionCount.
struct EvictionCount {
    u32 pinned;   // KVs of score +infinity
    u32 kept;
    u32 staying;  // kept ones that need not move
    u32 padding;
};

// Twin: EvictionArguments.
struct EvictionArguments {
    Arena arena;
    const EvictionHead* heads;
    const int* pages;
    const Mark* marks;
    float* scores;
    const u8* keep;
    EvictionCount* counts;  // [heads]
    int* moves;             // source page and slot, target page and slot of each
    int format;
    int mark_count;
    int divides;
    int window_start;
    int window_end;
    int added_start;
    int added_end;
    int sinks;
    int newest;
    int padding;
};

}  // namespace kv
