// Pages are given out on the device: demands are added up, all of them are met or none, and what comes back queues up behind. One block plans, so that the ring has one writer.
#include "blocks.h"
#include "page_ring.h"

namespace kv {

struct RingScratch {
    BlockSums sums;
    u32 total;
};

KV_DEVICE void fill_ring(const RingArguments& a) {
    const u32 at = block_x() * block_size() + thread_index();
    if (at < a.capacity) a.ring[at] = (int)at;
    if (at == 0) *a.state = RingState{0u, a.capacity, 0u, 0u};
}

KV_DEVICE void plan_ring(const RingArguments& a) {
    KV_DYNAMIC_SHARED(shared);
    RingScratch& scratch = *(RingScratch*)shared;
    const int at = thread_index();
    int before = 0;
    for (int first = 0; first < a.count; first += kBlockThreads) {
        const int index = first + at, demand = index < a.count ? a.demands[index] : 0, sum = (int)running_sum(scratch.sums, (u32)demand);
        if (index < a.count) a.offsets[index] = before + sum - demand;
        if (at == kBlockThreads - 1) scratch.total = (u32)sum;
        block_sync();
        before += (int)scratch.total;
    }
    if (at != 0) return;
    a.offsets[a.count] = before;
    RingState state = *a.state;
    const bool fits = (u32)before <= state.count;
    state.taken_from = state.first;
    state.taken = fits ? (u32)before : 0u;
    state.first = (state.first + state.taken) % a.capacity;
    state.count -= state.taken;
    *a.state = state;
}

KV_DEVICE void take_from_ring(const RingArguments& a) {
    const u32 taken = a.state->taken;
    for (u32 i = block_x() * block_size() + thread_index(); i < taken; i += grid_x() * block_size()) {
        a.pages[i] = a.ring[(a.state->taken_from + i) % a.capacity];
    }
}

KV_DEVICE void release_to_ring(const RingArguments& a) {
    const u32 end = a.state->first + a.state->count;
    for (int i = thread_index(); i < a.count; i += kBlockThreads) a.ring[(end + (u32)i) % a.capacity] = a.demands[i];
    block_sync();
    if (thread_index() == 0) a.state->count += (u32)a.count;
}

}  // namespace kv

KV_KERNEL void KV_BOUNDS(256) kv_ring_fill(kv::RingArguments a) { kv::fill_ring(a); }
KV_KERNEL void KV_BOUNDS(256) kv_ring_plan(kv::RingArguments a) { kv::plan_ring(a); }
KV_KERNEL void KV_BOUNDS(256) kv_ring_take(kv::RingArguments a) { kv::take_from_ring(a); }
KV_KERNEL void KV_BOUNDS(256) kv_ring_release(kv::RingArguments a) { kv::release_to_ring(a); }
