// Which KVs of a sequence go so that pages get free where they cost least, over all heads: GlobalPageEviction of the runtime, on the device, bit for bit. A head loses its KVs in ascending
// order of (score, index); its first page is free when those of the partly filled last one have gone in number, each further one after a page's worth more; a page costs the largest score that
// goes with it. How many pages cost at most t follows from how many scores are at most t, so that the dearest cost is found digit by digit from histograms, without sorting.
//
// In this order, for any number of sequences at once: prepare, level 0 to 3, finish (a block per sequence), drop. Blocks have 256 threads, one for each value of a digit.
#include "blocks.h"
#include "selection.h"

namespace kv {

constexpr int kDigits = 256, kLevels = 4;
constexpr u32 kPinnedKey = 0xff800000u;

// Of a block, in shared memory.
struct SelectionScratch {
    u32 histogram[kDigits];
    BlockSums sums;
    u32 found;
    u32 rest;
};

// A key that ascends with the score; what is no number gets the lowest, -0 and 0 the same one (ScoreOrder.Key).
KV_DEVICE u32 score_key(float score) {
    if (score != score) return 0;
    const u32 bits = bits_of(score + 0.f);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

// Pages of a head that are free when its lowest KVs have gone.
KV_DEVICE int freed_pages(u32 going, int length, int page_tokens, int most) {
    if (length == 0) return 0;
    const int last = (length - 1) % page_tokens;
    if ((int)going <= last) return 0;
    return minimum(most, 1 + ((int)going - 1 - last) / page_tokens);
}

KV_DEVICE int wanted_pages(const SelectionArguments& a, int sequence) {
    const u32 most = a.pages[(sequence * (kLevels + 1) + kLevels) * kDigits];
    const int wanted = a.sequences[sequence].to_free;
    return wanted < (int)most ? wanted : (int)most;
}

// The first digit up to which there are enough; sums ascend with the digit.
KV_DEVICE u32 first_enough(SelectionScratch& scratch, u32 sum, u32 before, u32 wanted) {
    if (sum >= wanted && before < wanted) {
        scratch.found = thread_index();
        scratch.rest = wanted - before;
    }
    block_sync();
    const u32 digit = scratch.found;
    block_sync();
    return digit;
}

// The digits of the dearest cost that the levels before this one have found, from the top of the key.
KV_DEVICE u32 found_digits(const SelectionArguments& a, SelectionScratch& scratch, int sequence, int levels, int wanted) {
    const int at = thread_index();
    u32 found = 0;
    for (int level = 0; level < levels; level++) {
        const u32* pages = a.pages + (sequence * (kLevels + 1) + level) * kDigits;
        found |= first_enough(scratch, pages[at], at ? pages[at - 1] : 0u, wanted) << (24 - 8 * level);
    }
    return found;
}

KV_DEVICE void count_digits(SelectionScratch& scratch, const float* scores, int length, u32 found, int level) {
    const u32 mask = level ? 0xffffffffu << (32 - 8 * level) : 0u;
    scratch.histogram[thread_index()] = 0;
    block_sync();
    for (int i = thread_index(); i < length; i += kDigits) {
        const u32 key = score_key(scores[i]);
        if ((key & mask) == found) atomic_add(&scratch.histogram[key >> (24 - 8 * level) & 255u], 1u);
    }
    block_sync();
}

KV_DEVICE void prepare(const SelectionArguments& a) {
    KV_DYNAMIC_SHARED(shared);
    SelectionScratch& scratch = *(SelectionScratch*)shared;
    const SelectionHead head = a.heads[block_x()];
    if (thread_index() == 0) scratch.found = 0;
    block_sync();
    u32 free_to_go = 0;
    for (int i = thread_index(); i < head.length; i += kDigits) free_to_go += score_key(a.scores[head.first + i]) < kPinnedKey;
    atomic_add(&scratch.found, free_to_go);
    block_sync();
    if (thread_index() == 0) {
        const int most = freed_pages(scratch.found, head.length, a.sequences[head.sequence].page_tokens, head.most);
        a.states[block_x()] = SelectionState{most, 0u, 0, 0};
        atomic_add(&a.pages[(head.sequence * (kLevels + 1) + kLevels) * kDigits], (u32)most);
    }
}

KV_DEVICE void count_level(const SelectionArguments& a) {
    KV_DYNAMIC_SHARED(shared);
    SelectionScratch& scratch = *(SelectionScratch*)shared;
    const int index = block_x(), at = thread_index();
    const SelectionHead head = a.heads[index];
    const int wanted = wanted_pages(a, head.sequence);
    if (wanted <= 0) return;
    u32* counts = a.counts + index * kDigits;
    const u32 found = found_digits(a, scratch, head.sequence, a.level, wanted);
    const u32 digit = a.level ? found >> (32 - 8 * a.level) & 255u : 0u;
    const u32 below = digit ? counts[digit - 1] : a.states[index].below;
    count_digits(scratch, a.scores + head.first, head.length, found, a.level);
    const u32 count = below + running_sum(scratch.sums, scratch.histogram[at]);
    counts[at] = count;
    if (at == 0) a.states[index].below = below;
    const int pages = freed_pages(count, head.length, a.sequences[head.sequence].page_tokens, a.states[index].most);
    if (pages > 0) atomic_add(&a.pages[(head.sequence * (kLevels + 1) + a.level) * kDigits + at], (u32)pages);
}

// Pages that cost less than the dearest go everywhere; of those that cost as much, the ones of the first heads.
KV_DEVICE void finish(const SelectionArguments& a) {
    KV_DYNAMIC_SHARED(shared);
    SelectionScratch& scratch = *(SelectionScratch*)shared;
    const SelectionSequence sequence = a.sequences[block_x()];
    const int wanted = wanted_pages(a, block_x()), at = thread_index();
    if (wanted <= 0) return;
    const u32 digit = found_digits(a, scratch, block_x(), kLevels, wanted) & 255u;
    u32 cheaper = 0;
    for (int pass = 0; pass < 2; pass++) {
        u32 spent = 0;
        for (int first = 0; first < sequence.head_count; first += kDigits) {
            const int index = sequence.first_head + first + at;
            u32 less = 0, ties = 0;
            if (first + at < sequence.head_count) {
                const u32* counts = a.counts + index * kDigits;
                const int length = a.heads[index].length, most = a.states[index].most;
                less = freed_pages(digit ? counts[digit - 1] : a.states[index].below, length, sequence.page_tokens, most);
                ties = freed_pages(counts[digit], length, sequence.page_tokens, most) - less;
            }
            const u32 sum = running_sum(scratch.sums, pass ? ties : less);
            if (pass && first + at < sequence.head_count) {
                const int left = wanted - (int)cheaper - (int)(spent + sum - ties);
                a.states[index].taken = (int)less + minimum((int)ties, maximum(0, left));
            }
            if (at == kDigits - 1) scratch.rest = sum;
            block_sync();
            spent += scratch.rest;
        }
        if (pass == 0) cheaper = spent;
    }
}

// Marks the KVs of a head that go: so many of the lowest keys, of equal ones those that come first.
KV_DEVICE void drop(const SelectionArguments& a) {
    KV_DYNAMIC_SHARED(shared);
    SelectionScratch& scratch = *(SelectionScratch*)shared;
    const int at = thread_index(), taken = a.states[block_x()].taken;
    const SelectionHead head = a.heads[block_x()];
    const float* scores = a.scores + head.first;
    u8* keep = a.keep + head.first;
    if (taken == 0) {
        for (int i = at; i < head.length; i += kDigits) keep[i] = 1;
        return;
    }
    const int page_tokens = a.sequences[head.sequence].page_tokens;
    u32 going = (head.length - 1) % page_tokens + 1 + (taken - 1) * page_tokens, found = 0;
    for (int level = 0; level < kLevels; level++) {
        count_digits(scratch, scores, head.length, found, level);
        const u32 own = scratch.histogram[at], sum = running_sum(scratch.sums, own);
        found |= first_enough(scratch, sum, sum - own, going) << (24 - 8 * level);
        going = scratch.rest;
    }
    for (int first = 0; first < head.length; first += kDigits) {
        const int i = first + at;
        const u32 key = i < head.length ? score_key(scores[i]) : 0xffffffffu;
        const u32 equal = key == found, sum = running_sum(scratch.sums, equal);
        if (i < head.length) keep[i] = key > found || (equal && sum > going);
        if (at == kDigits - 1) scratch.rest = sum;
        block_sync();
        going -= minimum((int)scratch.rest, (int)going);
    }
}

}  // namespace kv

KV_KERNEL void KV_BOUNDS(256) kv_select_prepare(kv::SelectionArguments a) { kv::prepare(a); }
KV_KERNEL void KV_BOUNDS(256) kv_select_level(kv::SelectionArguments a) { kv::count_level(a); }
KV_KERNEL void KV_BOUNDS(256) kv_select_finish(kv::SelectionArguments a) { kv::finish(a); }
KV_KERNEL void KV_BOUNDS(256) kv_select_drop(kv::SelectionArguments a) { kv::drop(a); }
