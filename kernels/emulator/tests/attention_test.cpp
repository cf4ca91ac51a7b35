// Appending, attention in all its forms and scores against plain loops, and the forms against each other bit by bit.
//   g++ -std=c++17 -O2 -ffp-contract=off -DKV_EMULATOR attention_test.cpp OUT/*.o -lpthread      OUT as kernels/emulator/build filled it
#include "attention_world.h"

using namespace kv;
using namespace kv::test;

namespace {

enum AttentionForm { kPlain, kNarrow, kWide };

struct Sizes {
    int padded, warps;
    size_t narrow, wide, score;
};

template <class T, int D> Sizes sizes_of() {
    const size_t tiles = 2 * (Form<D>::TILE_BYTES + Form<D>::TABLE_BYTES), state = Form<D>::STATE_BYTES, queries = QuerySpace<T, D>::BYTES;
    return {D, Form<D>::WARPS, Form<D>::WARPS * tiles + queries + state, tiles + Form<D>::WARPS * (queries + state), ScoreForm<T, D>::WARPS * ScoreForm<T, D>::WARP_BYTES + queries};
}

template <class T> Sizes sizes_of(int d) {
    return d <= 32 ? sizes_of<T, 32>() : d <= 64 ? sizes_of<T, 64>() : d <= 96 ? sizes_of<T, 96>() : d <= 128 ? sizes_of<T, 128>() : sizes_of<T, 256>();
}

bool is_brain(const World& world) { return world.parts[0].format == kBF16; }
Sizes sizes_of(const World& world) { return is_brain(world) ? sizes_of<BF16>(world.shape.head_dim) : sizes_of<F16>(world.shape.head_dim); }

std::string name_of(const World& world, const char* operation) {
    return std::string(operation) + (is_brain(world) ? "_bf16_d" : "_f16_d") + std::to_string(sizes_of(world).padded);
}

void append(World& world) {
    AppendArguments a{};
    a.arena = world.arena;
    a.batch = world.batch();
    a.rows = world.rows.data();
    a.row_stride = world.row_width();
    a.query_heads = world.shape.query_heads;
    a.kv_heads = world.shape.kv_heads;
    std::vector<float> angles(1024 * 2 * (world.shape.head_dim / 2 - 1));
    for (size_t i = 0; i < angles.size(); i++) angles[i] = std::sin((float)i);
    a.angles = angles.data();
    a.pairs = world.shape.head_dim / 2 - 1;
    world.launch("kv_append", a, (int)world.positions.size(), (a.query_heads + a.kv_heads + 3) / 4, 128, 8 * world.shape.head_dim * sizeof(float));
}

AttendArguments arguments_of(World& world, float* records) {
    AttendArguments a{};
    const Shape& shape = world.shape;
    a.arena = world.arena;
    a.batch = world.batch();
    a.rows = world.rows.data();
    a.output = world.output.data();
    a.records = records;
    a.statistics = world.statistics.data();
    a.turned = world.turned.data();
    a.row_stride = world.row_width();
    a.output_stride = shape.query_heads * shape.head_dim;
    a.query_heads = shape.query_heads;
    a.kv_heads = shape.kv_heads;
    a.group = shape.group();
    a.record_size = (shape.head_dim + kRecordHeader + 3) / 4 * 4;
    a.sliding_window = shape.window;
    a.factor = shape.cap ? shape.scale() / shape.cap : shape.scale() * LOG2_OF_E;
    a.cap = shape.cap * LOG2_OF_E;
    return a;
}

// Attention with items of so many queries and at most so many segments.
void attend(World& world, AttentionForm form, int queries, int split) {
    std::vector<AttendItem> items, merges;
    int records = 0;
    const int group = world.shape.group();
    for (int s = 0; s < (int)world.parts.size(); s++) {
        for (int h = 0; h < world.shape.kv_heads; h++) {
            const Head& head = world.heads[s * world.shape.kv_heads + h];
            for (int first = 0; first < world.parts[s].rows * group; first += queries) {
                const int end = std::min(first + queries, world.parts[s].rows * group);
                const int segments = segments_of(head.low_length) + segments_of(head.length + (end - 1) / group + 1);
                const int boundary = ends_differ(world.arena, world.sequences[s], head, kTurnsKeys | kTurnsValues) ? segments_of(head.low_length) : 0;
                if (!boundary && segments <= (form == kNarrow ? 1 : split)) {
                    items.push_back({s, h, first, end, 0, segments, -1, 0});
                    continue;
                }
                for (int i = 0, next; i < segments; i = next) {
                    next = std::min(i < boundary ? boundary : segments, i + split);
                    items.push_back({s, h, first, end, i, next, records, segments});
                }
                merges.push_back({s, h, first, end, 0, segments, records, segments});
                records += (end - first) * segments;
            }
        }
    }
    const Sizes sizes = sizes_of(world);
    std::vector<float> memory((size_t)(records + 1) * (world.shape.head_dim + 8), NAN);
    AttendArguments a = arguments_of(world, memory.data());
    a.items = items.data();
    const std::string name = form == kPlain ? "kv_attend_plain" : name_of(world, form == kNarrow ? "kv_attend_narrow" : "kv_attend_wide");
    if (world.shape.turns) {
        world.turned.assign(world.positions.size() * a.query_heads * a.arena.head_dim, NAN);
        a.turned = world.turned.data();
        world.launch("kv_turn_queries", a, (int)world.positions.size(), (a.query_heads + 3) / 4, 128, 0);
    }
    world.launch(name, a, (int)items.size(), 1, form == kPlain ? 128 : 32 * sizes.warps, form == kPlain ? 0 : form == kNarrow ? sizes.narrow : sizes.wide);
    a.items = merges.data();
    if (!merges.empty()) world.launch("kv_merge_records", a, (int)merges.size(), queries, 128, world.shape.head_dim * sizeof(float));
    if (world.shape.turns) world.launch("kv_turn_results_back", a, (int)world.positions.size(), (a.query_heads + 3) / 4, 128, 0);
}

void score(World& world, bool tensor) {
    const Sizes sizes = sizes_of(world);
    const int run = tensor ? sizes.warps * 64 : 64;
    std::vector<ScoreItem> items;
    int sums = 0;
    for (int s = 0; s < (int)world.parts.size(); s++) {
        const Part& part = world.parts[s];
        for (int h = 0; h < world.shape.kv_heads && part.observed_rows > 0; h++) {
            const Head& head = world.heads[s * world.shape.kv_heads + h];
            const int high = head.length + part.rows, stride = head.low_length + high;
            for (int low = 0; low < 2; low++) {
                for (int first = 0; first < (low ? head.low_length : high); first += run) items.push_back({s, h, low, first, sums + (low ? 0 : head.low_length), stride});
            }
            sums += stride * world.shape.group();
        }
    }
    if (items.empty()) return;
    std::vector<float> memory(sums + 1, NAN);
    ScoreArguments a{arguments_of(world, nullptr), items.data(), memory.data(), run, 0};
    if (tensor) world.launch(name_of(world, "kv_observe"), a, (int)items.size(), 1, 32 * sizes.warps, sizes.score);
    else world.launch("kv_observe", a, (int)items.size(), 1, 64, 64 * (world.shape.head_dim + 1) * sizeof(float));
    world.launch("kv_pool_scores", a, (int)items.size(), 1, 64, 0);
}

// The largest error, as a part of what is allowed.
double error_of(double expected, double actual, double largest) {
    const double error = std::fabs(expected - actual) / (1e-4 * std::fabs(expected) + largest);
    return error == error ? error : INFINITY;
}

double pooled(const Part& part, const std::vector<double>& sums, int from, int to, int i) {
    double result = 0;
    for (int j = std::max(from, i - part.pool_width / 2); j <= std::min(to - 1, i + part.pool_width / 2); j++) {
        result = part.flags & kAveragePool ? result + sums[j] / part.pool_width : std::max(result, sums[j]);
    }
    return result;
}

double combined(double sum, double weight, int flags) { return flags & kLargest ? std::max(sum, weight) : sum + (flags & kSquared ? weight * weight : weight); }

double worst_error(const World& world, int s, int h) {
    const Part& part = world.parts[s];
    const Shape& shape = world.shape;
    const PlainHead head(world, s, h);
    std::vector<std::vector<double>> sums(shape.group(), std::vector<double>(head.count));
    std::vector<double> scores(head.count);
    double worst = 0;
    for (int i = 0; i < head.before; i++) scores[i] = 0.5;
    for (int row = 0; row < part.rows; row++) {
        std::vector<double> of_row(head.count);
        for (int g = 0; g < shape.group(); g++) {
            const std::vector<double> weights = head.weights(world, s, h, row, g);
            std::vector<double> expected(shape.head_dim);
            double largest = 0;
            for (int d = 0; d < shape.head_dim; d++) {
                for (int i = 0; i <= head.before + row; i++) expected[d] += weights[i] * head.values[i * shape.head_dim + d];
                largest = std::max(largest, std::fabs(expected[d]));
            }
            const float* actual = &world.output[((size_t)(world.sequences[s].first_row + row) * shape.query_heads + h * shape.group() + g) * shape.head_dim];
            for (int d = 0; d < shape.head_dim; d++) worst = std::max(worst, error_of(expected[d], actual[d], 3e-5 * largest));
            const double factor = world.row_weights.empty() ? 1.0 : world.row_weights[world.sequences[s].first_row + row];
            for (int i = 0; i < head.count && row >= part.rows - part.observed_rows; i++) {
                sums[g][i] = combined(sums[g][i], factor * weights[i], part.flags);
                of_row[i] = combined(of_row[i], factor * weights[i], part.flags & kLargestOfGroup ? part.flags | kLargest : part.flags);
            }
        }
        for (int i = 0; i < head.count; i++) scores[i] = part.flags & kLargest ? std::max(scores[i], of_row[i]) : scores[i] + of_row[i];
    }
    for (int i = 0; i < head.count && part.observation != kObserveNothing; i++) {
        if (part.observation == kObserveWindow) {
            scores[i] = 0;
            for (int g = 0; g < shape.group(); g++) {
                const double member = pooled(part, sums[g], i < head.low ? 0 : head.low, i < head.low ? head.low : head.count, i);
                scores[i] = part.flags & (kLargest | kLargestOfGroup) ? std::max(scores[i], member) : scores[i] + member;
            }
        }
        worst = std::max(worst, error_of(scores[i], head.scores[i], 1e-7));
    }
    return worst;
}

struct Case {
    const char* name;
    Shape shape;
    std::vector<Part> parts;
};

// Every form, in another order of lanes each; true where all is well.
bool run(const Case& c) {
    struct Variant { AttentionForm form; int queries, split; bool tensor_scores; };
    const bool singles = c.parts[0].format == kF32;
    const int wide = c.shape.head_dim > 128 ? 32 : 64;
    const std::vector<Variant> variants = singles ? std::vector<Variant>{{kPlain, 16, 1000, false}, {kPlain, 4, 1, false}}
        : std::vector<Variant>{{kWide, wide, 1000, true}, {kWide, wide, 1, false}, {kNarrow, 16, 1, true}, {kNarrow, 5, 2, true}};
    std::vector<float> first;
    bool good = true;
    for (size_t v = 0; v < variants.size(); v++) {
        World world(c.shape, c.parts);
        world.options_order = (int)v;
        append(world);
        attend(world, variants[v].form, variants[v].queries, variants[v].split);
        score(world, variants[v].tensor_scores);
        double worst = 0;
        for (int s = 0; s < (int)c.parts.size(); s++) {
            for (int h = 0; h < c.shape.kv_heads; h++) worst = std::max(worst, worst_error(world, s, h));
        }
        const bool same = v == 0 || first == world.output;
        if (v == 0) first = world.output;
        std::printf("%s %s, variant %zu: error %.3f of what is allowed%s\n", worst <= 1 && same ? "ok  " : "FAIL", c.name, v, worst, same ? "" : ", bits differ");
        good &= worst <= 1 && same;
    }
    return good;
}

const std::vector<Case> kCases = {
    {"singles and K4V4, 64, turned", {64, 2, 1, 16, false, 0, 0, 2, false, true}, {{kF32, kK4V4, {70}, {270}, 3, kObserveAccumulate, 3}}},
    {"singles, 64", {64, 3, 1, 16}, {{kF32, kK4V2, {300}, {}, 5, kObserveAccumulate, 3}}},
    {"halves, 64, groups of 3", {64, 9, 3, 16}, {{kF16, kK4V2, {300, 17, 600}, {}, 5, kObserveWindow, 4, 7}}},
    {"halves, 128, decoding", {128, 8, 2, 32}, {{kF16, kK4V2, {700, 31}, {}, 1, kObserveAccumulate, 1}, {kF16, kK4V2, {40, 257}, {}, 1}}},
    {"halves, 64, cap", {64, 4, 2, 16, false, 4, 0, 4}, {{kF16, kK4V2, {120, 255}, {}, 30, kObserveWindow, 8, 5, kAveragePool}}},
    {"halves, 64, window", {64, 4, 2, 16, false, 0, 30, 4}, {{kF16, kK4V2, {300, 300}, {}, 20, kObserveAccumulate, 8, 5, kLargest, 300}}},
    {"brains, 80, log-weights", {80, 4, 2, 16, true, 0, 0, 2}, {{kBF16, kK4V2, {120, 255}, {40, 0}, 7, kObserveWindow, 4, 3, kLargest}}},
    {"brains, 24", {24, 4, 2, 16}, {{kBF16, kK4V4, {70, 20}, {}, 3, kObserveWindow, 2}}},
    {"brains, 64", {64, 2, 1, 16}, {{kBF16, kK8V8, {70}, {9}, 3, kObserveAccumulate, 2}}},
    {"brains, 128", {128, 2, 1, 16}, {{kBF16, kK8V8, {70}, {9}, 3, kObserveWindow, 2}}},
    {"brains, 256", {256, 2, 1, 16}, {{kBF16, kK8V8, {40}, {}, 3, kObserveAccumulate, 2}}},
    {"K8V8 and K4V4, 80, log-weights", {80, 4, 2, 16, true, 0, 0, 2}, {{kK8V8, kK4V4, {120, 255}, {30, 70}, 7}}},
    {"K8V4 and K4V2, 64", {64, 6, 2, 16, false, 0, 0, 2}, {{kK8V4, kK4V2, {100, 290}, {300, 1}, 33, kObserveWindow, 16, 3}}},
    {"K4V4 and K4V2, 24", {24, 2, 2, 16, false, 0, 0, 2}, {{kK4V4, kK4V2, {100, 290}, {300, 1}, 3, kObserveAccumulate, 3}}},
    {"K4V2 and K8V8, 128", {128, 10, 2, 16, false, 0, 0, 2}, {{kK4V2, kK8V8, {100, 290}, {300, 0}, 3}}},
    {"K4V4, 256", {256, 2, 2, 16, false, 0, 0, 2}, {{kK4V4, kK8V8, {100, 290}, {}, 3, kObserveWindow, 2}}},
    {"halves, 256", {256, 2, 1, 16}, {{kF16, kK8V8, {290}, {}, 3}}},
    {"halves, 8", {8, 2, 2, 16}, {{kF16, kK8V8, {290, 3}, {}, 37}}},
    {"K8V4, 96, cap", {96, 2, 2, 16, false, 15, 0, 2}, {{kK8V4, kK8V8, {290, 3}, {}, 37}}},
    {"halves and K8V4, 128, window", {128, 6, 2, 16, false, 0, 60, 2}, {{kF16, kK8V4, {100, 290}, {150, 10}, 5, kObserveNothing, 0, 1, 1, 310}}},
    {"halves, 64, rows weighed, largest of groups", {64, 6, 2, 16, false, 0, 0, 2, true}, {{kF16, kK4V2, {120, 255}, {}, 30, kObserveAccumulate, 20, 1, kLargestOfGroup}}},
    {"halves, 80, rows weighed, window", {80, 6, 2, 16, false, 0, 0, 2, true}, {{kF16, kK8V4, {100, 40}, {30, 0}, 9, kObserveWindow, 8, 5, kSquared | kLargestOfGroup}}},
    {"singles, 64, rows weighed", {64, 6, 2, 16, false, 0, 0, 2, true}, {{kF32, kK4V2, {60, 130}, {}, 9, kObserveAccumulate, 8, 1, kLargestOfGroup}}},
    {"K4V4 and K8V4, 80, turned", {80, 4, 2, 16, false, 0, 0, 2, false, true}, {{kK4V4, kK8V4, {120, 255}, {30, 0}, 7, kObserveAccumulate, 5}}},
    {"halves and K4V2, 24, turned", {24, 6, 2, 16, true, 0, 60, 2, false, true}, {{kF16, kK4V2, {300, 4}, {150, 290}, 5, kObserveWindow, 4, 3}}},
    {"K8V4 and K4V2, 256, turned", {256, 2, 1, 16, false, 0, 0, 2, false, true}, {{kK8V4, kK4V2, {70}, {300}, 2}}},
    {"halves, 64, sharp", {64, 1, 1, 16, false, 0, 0, 100}, {{kF16, kK8V4, {1}, {}, 130}}},
};

template <size_t N> int any(std::mt19937& random, const int (&values)[N]) { return values[random() % N]; }

Case random_case(unsigned seed) {
    std::mt19937 random(seed);
    Case c{"random", {}, {}};
    Shape& shape = c.shape;
    shape.head_dim = any(random, {8, 16, 24, 32, 48, 64, 64, 72, 80, 96, 112, 128, 128, 160, 192, 256});
    shape.kv_heads = 1 + (int)(random() % 3);
    shape.query_heads = shape.kv_heads * any(random, {1, 2, 3, 4, 5, 8, 9, 17});
    shape.page_tokens = any(random, {16, 32});
    shape.log_weights = random() % 4 == 0;
    shape.cap = random() % 4 == 0 ? 10 : 0;
    shape.window = random() % 4 == 0 ? any(random, {1, 20, 100, 300}) : 0;
    shape.sharpness = (float)any(random, {1, 2, 4});
    shape.weighs_rows = random() % 4 == 0;
    shape.turns = random() % 4 == 0;
    const int format = any(random, {kF16, kF16, kBF16, kK8V8, kK8V4, kK4V4, kK4V2, kF32});
    for (int s = 0; s < 1 + (int)(random() % 2); s++) {
        // Sequences of halves and of codes share kernels; those of brains and of singles do not.
        Part part{format == kBF16 || format == kF32 || s == 0 ? format : any(random, {kF16, kK8V8, kK4V4}), any(random, {kK8V8, kK8V4, kK4V4, kK4V2}), {}, {}, 1 + (int)(random() % (random() % 2 ? 3 : 40))};
        for (int h = 0; h < shape.kv_heads; h++) {
            part.lengths.push_back((int)(random() % (random() % 2 ? 20 : 400)));
            part.low_lengths.push_back(random() % 2 ? 0 : (int)(random() % 300));
        }
        part.first_position = 400 + (int)(random() % 100);
        part.observation = (int)(random() % 3);
        part.observed_rows = part.observation ? 1 + (int)(random() % part.rows) : 0;
        part.pool_width = 1 + 2 * (int)(random() % 4);
        part.flags = (int)(random() % 8) | (random() % 4 == 0 && part.observation == kObserveWindow ? kLargestOfGroup : 0);
        c.parts.push_back(part);
    }
    return c;
}

}  // namespace

// With a word, only the cases whose name has it; with two numbers, so many random cases from a seed on.
int main(int argc, char** argv) {
    int failed = 0;
    for (int i = 0; argc > 2 && i < std::atoi(argv[1]); i++) {
        const Case c = random_case(std::atoi(argv[2]) + i);
        if (!run(c)) {
            std::printf("FAIL with the seed %d\n", std::atoi(argv[2]) + i);
            failed++;
        }
    }
    if (argc > 2) {
        std::printf("%d random cases failed\n", failed);
        return failed != 0;
    }
    for (const Case& c : kCases) {
        if (argc < 2 || std::string(c.name).find(argv[1]) != std::string::npos) failed += !run(c);
    }
    std::printf("%d cases failed\n", failed);
    return failed != 0;
}
