// The choice of a row's experts, a warp a row; and what they made, added in descending order of their share, a thread a column of a row.
#include "linear.h"

namespace kv {

KV_DEVICE void add_experts(const ExpertArguments& a) {
    const int column = block_y() * block_size() + thread_index(), row = block_x();
    if (column >= a.columns) {
        return;
    }
    float* output = a.output + (u64)row * a.columns + column;
    float sum = a.adds ? *output : 0.0f;
    for (int i = row * a.per_row; i < (row + 1) * a.per_row; i++) {
        sum = fma(a.results[(u64)i * a.columns + column], a.shares[i], sum);
    }
    *output = sum;
}

// Ascending by logit, then descending by expert; what is no number comes last, so that every row gets its experts.
KV_DEVICE bool comes_before(float logit, int expert, float other, int other_expert) {
    if (other_expert < 0) {
        return expert >= 0;
    }
    if (expert < 0) {
        return false;
    }
    const bool number = logit == logit, other_number = other == other;
    return number != other_number ? number : number && logit != other ? logit > other : expert < other_expert;
}

KV_DEVICE void choose_experts(const ChooseArguments& a) {
    const int row = block_x(), lane = lane_index();
    const float* logits = a.logits + (u64)row * a.experts;
    float largest = 0.0f, last = 0.0f, sum = 0.0f;
    int last_expert = -1;
    for (int i = 0; i < a.per_row; i++) {
        float best = 0.0f;
        int expert = -1;
        for (int e = lane; e < a.experts; e += 32) {
            if (comes_before(logits[e], e, best, expert) && (last_expert < 0 || comes_before(last, last_expert, logits[e], e))) {
                best = logits[e];
                expert = e;
            }
        }
        KV_UNROLL for (int mask = 16; mask > 0; mask >>= 1) {
            const float other = shuffle_xor(best, mask);
            const int other_expert = shuffle_xor(expert, mask);
            if (comes_before(other, other_expert, best, expert)) {
                best = other;
                expert = other_expert;
            }
        }
        last = best;
        last_expert = expert;
        largest = i == 0 ? best : largest;
        sum = sum + exp(best - largest);
        if (lane == 0) {
            a.chosen[row * a.per_row + i] = expert;
        }
    }
    if (!a.normalises) {
        sum = 0.0f;
        for (int e = 0; e < a.experts; e++) {
            sum = sum + exp(logits[e] - largest);
        }
    }
    if (lane == 0) {
        for (int i = 0; i < a.per_row; i++) {
            a.shares[row * a.per_row + i] = exp(logits[a.chosen[row * a.per_row + i]] - largest) / sum * a.scale;
        }
    }
}
}

KV_KERNEL void KV_BOUNDS(128) kv_add_experts(kv::ExpertArguments a) { kv::add_experts(a); }
KV_KERNEL void KV_BOUNDS(32) kv_choose_experts(kv::ChooseArguments a) { kv::choose_experts(a); }
