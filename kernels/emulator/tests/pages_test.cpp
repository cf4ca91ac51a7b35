// Norms before KVs are appended, selection, eviction, moves, changes of format, copies of pages and the ring of free pages, against plain loops.
#include <algorithm>
#include <cstring>
#include <limits>
#include <tuple>
#include "../../cuda/blocks.h"
#include "../../cuda/compaction.h"
#include "../../cuda/eviction.h"
#include "../../cuda/page_copy.h"
#include "../../cuda/page_ring.h"
#include "../../cuda/selection.h"
#include "attention_world.h"
#include "launching.h"

using namespace kv;
using namespace kv::test;

namespace {

constexpr float kPinned = std::numeric_limits<float>::infinity();

// Histogram, running sums and two numbers (selection.cu); sums and two numbers (eviction.cu); sums and one (page_ring.cu).
constexpr size_t kSelectionShared = 4 * 256 + sizeof(BlockSums) + 8, kEvictionShared = sizeof(BlockSums) + 8, kRingShared = sizeof(BlockSums) + 4;

u32 key_of(float score) {
    u32 bits;
    score += 0.0f;
    std::memcpy(&bits, &score, 4);
    return score != score ? 0 : bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

struct Choice {
    std::vector<SelectionHead> heads;
    std::vector<SelectionSequence> sequences;
    std::vector<float> scores;
    std::vector<u8> keep;

    void run() {
        keep.assign(scores.size(), 9);
        std::vector<SelectionState> states(heads.size());
        std::vector<u32> counts(heads.size() * 256), pages(sequences.size() * 5 * 256);
        SelectionArguments a{heads.data(), sequences.data(), scores.data(), keep.data(), states.data(), counts.data(), pages.data(), 0, 0};
        launch("kv_select_prepare", a, (int)heads.size(), 1, 256, kSelectionShared);
        for (a.level = 0; a.level < 4; a.level++) launch("kv_select_level", a, (int)heads.size(), 1, 256, kSelectionShared);
        launch("kv_select_finish", a, (int)sequences.size(), 1, 256, kSelectionShared);
        launch("kv_select_drop", a, (int)heads.size(), 1, 256, kSelectionShared);
    }

    // A head's KVs in the order in which they go.
    std::vector<int> order_of(const SelectionHead& head) const {
        std::vector<int> order(head.length);
        for (int i = 0; i < head.length; i++) order[i] = i;
        const float* s = scores.data() + head.first;
        std::stable_sort(order.begin(), order.end(), [s](int a, int b) { return key_of(s[a]) < key_of(s[b]); });
        return order;
    }

    // Every page of every head with what it costs, sorted; so many of the cheapest go.
    std::vector<u8> plainly() const {
        std::vector<u8> kept(scores.size(), 1);
        for (size_t s = 0; s < sequences.size(); s++) {
            const SelectionSequence& sequence = sequences[s];
            std::vector<std::tuple<u32, int, int>> costs;
            for (int h = sequence.first_head; h < sequence.first_head + sequence.head_count; h++) {
                const SelectionHead& head = heads[h];
                const std::vector<int> order = order_of(head);
                for (int page = 0, kv = (head.length - 1) % sequence.page_tokens; head.length > 0 && page < head.most && kv < head.length; page++, kv += sequence.page_tokens) {
                    const u32 key = key_of(scores[head.first + order[kv]]);
                    if (key >= key_of(kPinned)) break;
                    costs.push_back({key, h, kv});
                }
            }
            std::sort(costs.begin(), costs.end());
            for (int i = 0; i < std::min(sequence.to_free, (int)costs.size()); i++) {
                const auto [key, h, kv] = costs[i];
                const std::vector<int> order = order_of(heads[h]);
                for (int j = 0; j <= kv; j++) kept[heads[h].first + order[j]] = 0;
            }
        }
        return kept;
    }
};

bool selection() {
    std::mt19937 random(11);
    for (int round = 0; round < 4; round++) {
        Choice choice;
        const int page_tokens = round % 2 ? 16 : 5;
        for (int s = 0; s < 3; s++) {
            const int first = (int)choice.heads.size(), count = s == 2 ? (round == 0 ? 270 : 10) : 2;
            for (int h = 0; h < count; h++) {
                const int length = s == 2 ? (int)(random() % 30) : h == 0 ? 0 : 1 + (int)(random() % 700);
                choice.heads.push_back({(int)choice.scores.size(), length, s, (int)(random() % 60)});
                for (int i = 0; i < length; i++) {
                    const int kind = (int)(random() % 20);
                    choice.scores.push_back(kind == 0 ? kPinned : kind == 1 ? NAN : kind == 2 ? -0.0f : kind < 12 ? (float)(random() % 9) : ((float)random() - 2e9f) / 1e9f);
                }
            }
            choice.sequences.push_back({first, count, page_tokens, round == 3 && s == 1 ? 0 : (int)(random() % 40) * (s == 2 ? 10 : 1)});
        }
        choice.run();
        const std::vector<u8> expected = choice.plainly();
        for (size_t i = 0; i < expected.size(); i++) {
            if (!equal("selection", (int)i, choice.keep[i], expected[i])) return false;
        }
    }
    return true;
}

// Scores are marked, half of the KVs stay, and what stays moves down.
bool eviction(int format, int length) {
    World world({64, 2, 2, 16}, {{format, kK4V4, {length, 37}, {}, 1}});
    std::vector<EvictionHead> heads;
    int total = 0, moves_total = 0;
    for (const Head& head : world.heads) {
        heads.push_back({total, head.length, head.pages, moves_total});
        total += head.length;
        moves_total += head.length;
    }
    const Mark marks[] = {{20, 24, -1.0f}, {22, 23, kPinned}};
    std::vector<float> scores(total, NAN);
    std::vector<u8> keep(total);
    std::vector<EvictionCount> counts(heads.size());
    std::vector<int> moves(4 * moves_total, -1);
    std::mt19937 random(3);
    for (u8& x : keep) x = random() % 2;
    for (int i = 0; i < 7; i++) keep[i] = 1;
    EvictionArguments a{};
    a.arena = world.arena;
    a.heads = heads.data();
    a.pages = world.pages.data();
    a.marks = marks;
    a.scores = scores.data();
    a.keep = keep.data();
    a.counts = counts.data();
    a.moves = moves.data();
    a.format = format;
    a.mark_count = 2;
    a.divides = 1;
    a.window_start = 10;
    a.window_end = 30;
    a.sinks = 3;
    a.newest = 5;
    launch("kv_mark_scores", a, ceiling_divide(length, 256), (int)heads.size(), 256, 0);
    launch("kv_count_kept", a, (int)heads.size(), 1, 256, kEvictionShared);
    launch("kv_list_moves", a, (int)heads.size(), 1, 256, kEvictionShared);
    for (size_t h = 0; h < heads.size(); h++) {
        u32 pinned = 0, kept = 0, staying = 0;
        int move = 4 * heads[h].moves;
        const int slots = world.arena.layouts[format].slots, *pages = world.pages.data() + heads[h].pages;
        for (int kv = 0; kv < heads[h].length; kv++) {
            const float seen = (float)std::max(1, 30 - std::max(10, kv)), score = kv < 3 || kv >= heads[h].length - 5 || kv == 22 ? kPinned : kv >= 20 && kv < 24 ? -1.0f : 0.5f / seen;
            pinned += score == kPinned;
            if (score != scores[heads[h].first + kv]) return close("marked scores", kv, scores[heads[h].first + kv], score, 0);
            if (!keep[heads[h].first + kv]) continue;
            if ((u32)kv == kept) {
                staying++;
            } else {
                const int expected[] = {pages[kv / slots], kv % slots, pages[kept / slots], (int)kept % slots};
                for (int i = 0; i < 4; i++) {
                    if (!equal("moves", move - 4 * heads[h].moves, moves[move], expected[i])) return false;
                    move++;
                }
            }
            kept++;
        }
        if (!equal("pinned", (int)h, counts[h].pinned, pinned) || !equal("kept", (int)h, counts[h].kept, kept) || !equal("staying", (int)h, counts[h].staying, staying)) return false;
    }
    return true;
}

// KVs of a head move to where those before them were, by way of records.
bool moving(int format) {
    World world({80, 2, 1, 16, true}, {{format, kK4V4, {70}, {}, 1}});
    const PlainHead before(world, 0, 0);
    const PageLayout& layout = world.arena.layouts[format];
    const int count = 30, shift = 25, pages = world.heads[0].pages;
    std::vector<int> moves;
    for (int i = 0; i < count; i++) {
        for (int kv : {i + shift, i}) {
            moves.push_back(world.pages[pages + kv / layout.slots]);
            moves.push_back(kv % layout.slots);
        }
    }
    KvListArguments a{};
    a.arena = world.arena;
    a.slots = moves.data();
    a.format = format;
    a.count = count;
    a.stride = 4;
    a.record_bytes = (layout.key_bytes + 15) / 16 * 16 + (layout.value_bytes + 15) / 16 * 16 + 32;
    Memory<u8> records((size_t)count * a.record_bytes);
    a.records = records.get();
    launch("kv_gather", a, ceiling_divide(count, 4), 1, 128, 0);
    a.slots = moves.data() + 2;
    launch("kv_scatter", a, ceiling_divide(count, 4), 1, 128, 0);
    const PlainHead after(world, 0, 0);
    for (int i = 0; i < 70; i++) {
        const int from = i < count ? i + shift : i;
        if (!equal("positions", i, after.positions[i], before.positions[from]) || !close("log-weights", i, after.log_weights[i], before.log_weights[from], 0)) return false;
        for (int d = 0; d < 80; d++) {
            if (!close("moved keys", i, after.keys[i * 80 + d], before.keys[from * 80 + d], 0) || !close("moved values", i, after.values[i * 80 + d], before.values[from * 80 + d], 0)) return false;
        }
    }
    return true;
}

// KVs go to another format by way of numbers, which are then read back.
bool changing(int from, int to, bool turns, double bound) {
    World world({80, 2, 1, 16, true, 0, 0, 1, false, turns}, {{from, to, {20}, {20}, 1}});
    std::vector<int> slots[2];
    for (int low = 0; low < 2; low++) {
        const PageLayout& layout = world.arena.layouts[low ? to : from];
        for (int kv = 0; kv < 20; kv++) {
            slots[low].push_back(world.pages[(low ? world.heads[0].low_pages : world.heads[0].pages) + kv / layout.slots]);
            slots[low].push_back(kv % layout.slots);
        }
    }
    KvListArguments a{};
    a.arena = world.arena;
    a.slots = slots[0].data();
    a.format = from;
    a.count = 20;
    a.stride = 2;
    a.record_bytes = 4 * (4 + 2 * 80);
    Memory<u8> records((size_t)20 * a.record_bytes);
    a.records = records.get();
    launch("kv_stage", a, 5, 1, 128, 0);
    a.slots = slots[1].data();
    a.format = to;
    launch("kv_unstage", a, 5, 1, 128, 0);
    const PlainHead head(world, 0, 0);
    for (int value = 0; value < 2; value++) {
        NumberArguments n{};
        Memory<float> numbers(17 * 80);
        n.arena = world.arena;
        n.table = world.pages.data() + world.heads[0].low_pages;
        n.numbers = numbers.get();
        n.format = to;
        n.first = 3;
        n.count = 17;
        n.is_value = value;
        launch("kv_read_numbers", n, 5, 1, 128, 0);
        const std::vector<float>& all = value ? head.values : head.keys;
        for (int i = 0; i < 17 * 80; i++) {
            if (!close(value ? "values read" : "keys read", i, numbers[i], all[3 * 80 + i], 1e-5) || !close("changed numbers", i, numbers[i], all[23 * 80 + i], bound)) return false;
        }
    }
    return true;
}

// Queries and keys normed, by heads or over all of them, and rotated by pairs that lie in other lanes.
bool appending(bool over_all) {
    constexpr int kDim = 80, kPairs = 20, kRows = 3, kHeads = 3;
    World world({kDim, 2, 1, 16}, {{kF32, kK4V4, {9}, {}, kRows}});
    Memory<float> norms(2 * kDim), angles(kRows * 2 * kPairs), reciprocals(2 * kRows);
    for (int i = 0; i < 2 * kDim; i++) norms[i] = 0.5f + (float)(i % 7);
    for (int i = 0; i < kRows * 2 * kPairs; i++) angles[i] = std::sin((float)i);
    const std::vector<float> before = world.rows;
    AppendArguments a{};
    a.arena = world.arena;
    a.batch = world.batch();
    a.rows = world.rows.data();
    a.query_norm = a.key_norm = norms.get();
    a.reciprocals = reciprocals.get();
    a.angles = angles.get();
    a.row_stride = world.row_width();
    a.query_heads = 2;
    a.kv_heads = 1;
    a.pairs = kPairs;
    a.query_norm_heads = over_all ? 2 : 1;
    a.key_norm_heads = 1;
    a.epsilon = 1e-5f;
    launch("kv_append_norms", a, kRows, 1, 64, 0);
    launch("kv_append", a, kRows, 1, 128, 8 * kDim * sizeof(float));
    const PlainHead head(world, 0, 0);
    for (int row = 0; row < kRows; row++) {
        for (int h = 0; h < kHeads; h++) {
            const int span = over_all && h < 2 ? 2 : 1, at = row * world.row_width() + h * kDim;
            const float* source = &before[at];
            const float* squares = span == 2 ? &before[row * world.row_width()] : source;
            double sum = 0;
            for (int i = 0; i < span * kDim; i++) sum += (double)squares[i] * squares[i];
            std::vector<double> x(kDim), y;
            for (int i = 0; i < kDim; i++) x[i] = source[i] / std::sqrt(sum / (span * kDim) + 1e-5) * norms[(span == 2 ? h * kDim : 0) + i];
            y = x;
            for (int i = 0; i < kPairs; i++) {
                const double cosine = angles[2 * kPairs * row + i], sine = angles[2 * kPairs * row + kPairs + i];
                y[i] = x[i] * cosine - x[i + kPairs] * sine;
                y[i + kPairs] = x[i + kPairs] * cosine + x[i] * sine;
            }
            for (int i = 0; i < kDim; i++) {
                if (!close(h < 2 ? "queries" : "keys", i, h < 2 ? world.rows[at + i] : head.keys[(9 + row) * kDim + i], y[i], 1e-4)) return false;
            }
        }
    }
    return true;
}

bool fields() {
    World world({32, 2, 1, 16}, {{kF16, kK4V4, {40}, {}, 1}});
    std::vector<u32> values(40);
    const PageLayout& layout = world.arena.layouts[kF16];
    FieldArguments a{world.arena.pages, world.arena.stride, world.pages.data() + world.heads[0].pages, values.data(), layout.positions, layout.slots, 40, 0};
    launch("kv_read_field", a, 1, 1, 256, 0);
    for (int i = 0; i < 40; i++) {
        if (!equal("positions read", i, values[i], i)) return false;
        values[i] = 1000 + i;
    }
    launch("kv_write_field", a, 1, 1, 256, 0);
    const PlainHead head(world, 0, 0);
    for (int i = 0; i < 40; i++) {
        if (!equal("positions written", i, head.positions[i], 1000 + i)) return false;
    }
    return true;
}

bool copies() {
    constexpr int kPages = 5, kBytes = 16 * 300;
    Memory<u8> memory(kPages * kBytes), images(2 * kBytes);
    for (int i = 0; i < kPages * kBytes; i++) memory[i] = (u8)(i * 7 / 5);
    const int out[] = {3, 1}, in[] = {0, 2};
    launch("kv_copy_pages", CopyPagesArguments{memory.get(), images.get(), out, nullptr, kBytes}, 2, 1, 256, 0);
    launch("kv_copy_pages", CopyPagesArguments{images.get(), memory.get(), nullptr, in, kBytes}, 2, 1, 256, 0);
    for (int i = 0; i < kBytes; i++) {
        if (!equal("copied pages", i, memory[i], memory[3 * kBytes + i]) || !equal("copied pages", i, memory[2 * kBytes + i], memory[kBytes + i])) return false;
    }
    return true;
}

bool ring() {
    constexpr int kCapacity = 900, kDemands = 600;
    std::vector<int> ring(kCapacity), demands(kDemands), offsets(kDemands + 1), pages(kCapacity);
    RingState state{};
    std::mt19937 random(5);
    RingArguments a{ring.data(), &state, demands.data(), offsets.data(), pages.data(), kCapacity, kDemands};
    launch("kv_ring_fill", a, 4, 1, 256, 0);
    for (int round = 0; round < 3; round++) {
        int sum = 0;
        for (int& x : demands) sum += x = (int)(random() % 3);
        if (sum > kCapacity) return equal("demands", round, sum, kCapacity);
        launch("kv_ring_plan", a, 1, 1, 256, kRingShared);
        launch("kv_ring_take", a, 3, 1, 256, 0);
        if (!equal("pages taken", round, state.taken, sum) || !equal("pages left", round, state.count, kCapacity - sum)) return false;
        for (int i = 0, at = 0; i < kDemands; at += demands[i++]) {
            if (!equal("offsets", i, offsets[i], at)) return false;
        }
        std::vector<int> given(pages.begin(), pages.begin() + sum);
        std::sort(given.begin(), given.end());
        if (std::unique(given.begin(), given.end()) != given.end()) return equal("pages that were given twice", round, 1, 0);
        RingArguments back = a;
        back.demands = pages.data();
        back.count = sum;
        launch("kv_ring_release", back, 1, 1, 256, 0);
        if (!equal("pages back", round, state.count, kCapacity)) return false;
    }
    std::fill(demands.begin(), demands.end(), 2);
    launch("kv_ring_plan", a, 1, 1, 256, kRingShared);
    return equal("pages of too large demands", 0, state.taken, 0) && equal("pages left", 0, state.count, kCapacity);
}

}  // namespace

int main() {
    int failed = 0;
    failed += !selection();
    failed += !eviction(kF16, 600) + !eviction(kK8V4, 300);
    for (int format : {kF16, kF32, kBF16, kK8V8, kK8V4, kK4V4, kK4V2}) failed += !moving(format);
    failed += !changing(kF16, kK8V8, false, 0.03) + !changing(kF32, kBF16, false, 0.02) + !changing(kK8V8, kF16, true, 0.01) + !changing(kF16, kK4V4, true, 1.2);
    failed += !appending(false) + !appending(true) + !fields() + !copies() + !ring();
    std::printf("%d cases failed\n", failed);
    return failed != 0;
}
