// Eviction without the host's part in it but for a few counts: recorded scores become those that are compared (SequenceCompressor of the runtime, bit for bit), and what selection.cu has kept moves
// down in order. A block of 256 threads has a head, or 256 KVs of one where they do not depend on each other.
#include "blocks.h"
#include "eviction.h"

namespace kv {

KV_DEVICE int queries_that_saw(const EvictionArguments& a, int position) {
    return maximum(0, a.window_end - maximum(a.window_start, position)) + maximum(0, a.added_end - maximum(a.added_start, position));
}

KV_DEVICE float marked_score(const EvictionArguments& a, const EvictionHead& head, int kv) {
    const PageLayout& layout = a.arena.layouts[a.format];
    u8* page = page_at(a.arena, a.pages[head.pages + kv / layout.slots]);
    const int slot = kv % layout.slots, position = *position_of(layout, page, slot);
    float score = *score_of(layout, page, slot);
    score = score == INFINITE ? 3.402823466e+38f : score;  // +infinity is for what must stay
    if (a.divides) {
        score = score / (float)maximum(1, queries_that_saw(a, position));
    }
    for (int i = 0; i < a.mark_count; i++) {
        score = position >= a.marks[i].start && position < a.marks[i].end ? a.marks[i].score : score;
    }
    return kv < a.sinks || kv >= head.length - a.newest ? INFINITE : score;
}

KV_DEVICE void mark_scores(const EvictionArguments& a) {
    const EvictionHead head = a.heads[block_y()];
    const int kv = block_x() * kBlockThreads + thread_index();
    const bool exists = kv < head.length;
    const float score = exists ? marked_score(a, head, kv) : 0.0f;
    if (exists) {
        a.scores[head.first + kv] = score;
    }
    const u32 pinned = ballot(score == INFINITE);
    if (lane_index() == 0 && pinned) {
        atomic_add(&a.counts[block_y()].pinned, (u32)popcount(pinned));
    }
}

struct EvictionScratch {
    BlockSums sums;
    u32 total;
    u32 staying;
};

// Places of the kept KVs, 256 at a time: visit(kv, place) gets each of them. Returns their number to every thread.
template <class Visit> KV_DEVICE u32 place_kept(const EvictionArguments& a, const EvictionHead& head, EvictionScratch& scratch, const Visit& visit) {
    u32 before = 0;
    for (int first = 0; first < head.length; first += kBlockThreads) {
        const int kv = first + thread_index();
        const bool keeps = kv < head.length && a.keep[head.first + kv];
        const u32 sum = running_sum(scratch.sums, keeps);
        if (keeps) {
            visit(kv, (int)(before + sum) - 1);
        }
        if (thread_index() == kBlockThreads - 1) {
            scratch.total = sum;
        }
        block_sync();
        before += scratch.total;
    }
    return before;
}

KV_DEVICE void count_kept(const EvictionArguments& a) {
    KV_DYNAMIC_SHARED(shared);
    EvictionScratch& scratch = *(EvictionScratch*)shared;
    const EvictionHead head = a.heads[block_x()];
    if (thread_index() == 0) {
        scratch.staying = 0;
    }
    u32 own = 0;
    const u32 kept = place_kept(a, head, scratch, [&](int kv, int place) { own += kv == place; });
    atomic_add(&scratch.staying, own);
    block_sync();
    if (thread_index() == 0) {
        a.counts[block_x()].kept = kept;
        a.counts[block_x()].staying = scratch.staying;
    }
}

KV_DEVICE void list_moves(const EvictionArguments& a) {
    KV_DYNAMIC_SHARED(shared);
    EvictionScratch& scratch = *(EvictionScratch*)shared;
    const EvictionHead head = a.heads[block_x()];
    const int slots = a.arena.layouts[a.format].slots, *pages = a.pages + head.pages, staying = (int)a.counts[block_x()].staying;
    place_kept(a, head, scratch, [&](int kv, int place) {
        if (place >= staying) {
            int* move = a.moves + 4 * ((u64)head.moves + (place - staying));
            move[0] = pages[kv / slots];
            move[1] = kv % slots;
            move[2] = pages[place / slots];
            move[3] = place % slots;
        }
    });
}

}  // namespace kv

KV_KERNEL void KV_BOUNDS(256) kv_mark_scores(kv::EvictionArguments a) { kv::mark_scores(a); }
KV_KERNEL void KV_BOUNDS(256) kv_count_kept(kv::EvictionArguments a) { kv::count_kept(a); }
KV_KERNEL void KV_BOUNDS(256) kv_list_moves(kv::EvictionArguments a) { kv::list_moves(a); }
