// Sequences with pages in any format, one step of rows for them, and what attention must make of it by plain double loops.
#pragma once
#include "../../cuda/append.h"
#include "../../cuda/attention_forms.h"
#include "../emulator.h"
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

namespace kv::test {

struct Shape {
    int head_dim, query_heads, kv_heads, page_tokens;
    bool log_weights = false;
    float cap = 0;
    int window = 0;
    float sharpness = 1;
    bool weighs_rows = false;
    bool turns = false;  // keys and values of at most 4 bits
    int group() const { return query_heads / kv_heads; }
    float scale() const { return 1 / std::sqrt((float)head_dim); }
};

struct Part {
    int format, low_format;
    std::vector<int> lengths, low_lengths;  // per KV head
    int rows;
    int observation = kObserveNothing, observed_rows = 0, pool_width = 1, flags = kSquared, first_position = 0;
};

inline int bits_of_format(int format, bool value) {
    return format == kF32 ? 32 : format < kK8V8 ? 16 : value ? value_bits(format) : key_bits(format);
}

struct World {
    Shape shape;
    std::vector<Part> parts;
    std::vector<u8> memory;
    Arena arena;
    std::vector<Sequence> sequences;
    std::vector<Head> heads;
    std::vector<int> positions, row_sequences, pages;
    std::vector<float> rows, output, statistics, row_weights, turned;
    std::mt19937 random{7};
    std::normal_distribution<float> normal;
    int options_order = 0;

    World(const Shape& shape, const std::vector<Part>& parts) : shape(shape), parts(parts) {
        make_arena(600);
        std::vector<int> free(600);
        for (int i = 0; i < 600; i++) free[i] = (i * 77 + 5) % 600;
        int row = 0;
        for (size_t s = 0; s < parts.size(); s++) {
            const Part& part = parts[s];
            sequences.push_back({row, part.rows, part.format, part.low_format, part.observation, part.observed_rows, part.pool_width, part.flags});
            for (int h = 0; h < shape.kv_heads; h++) add_head(part, h, free);
            for (int i = 0; i < part.rows; i++) {
                positions.push_back(part.first_position + i);
                row_sequences.push_back((int)s);
            }
            row += part.rows;
        }
        rows.resize((size_t)row * row_width());
        for (size_t i = 0; i < rows.size(); i++) rows[i] = normal(random) * ((int)(i % row_width()) < shape.query_heads * shape.head_dim ? shape.sharpness : 1);
        output.assign((size_t)row * shape.query_heads * shape.head_dim, NAN);
        statistics.assign((size_t)row * shape.query_heads * 2, NAN);
        for (int i = 0; i < row && shape.weighs_rows; i++) row_weights.push_back(0.25f * (float)(1 + random() % 8));
    }

    int row_width() const { return (shape.query_heads + 2 * shape.kv_heads) * shape.head_dim; }
    Batch batch() const { return {sequences.data(), heads.data(), positions.data(), row_sequences.data(), pages.data(), row_weights.empty() ? nullptr : row_weights.data()}; }

    template <class Arguments> void launch(const std::string& name, const Arguments& arguments, int x, int y, int threads, size_t shared) const {
        const emulator::Kernel* kernel = emulator::find_kernel(name);
        emulator::Options options;
        options.order = options_order;
        const std::string error = !kernel ? "there is no " + name : kernel->argument_bytes != sizeof(Arguments) ? "sizes differ" :
            emulator::launch(*kernel, &arguments, {(unsigned)x, (unsigned)y, 1}, {(unsigned)threads, 1, 1}, shared, options);
        if (!error.empty()) {
            std::printf("%s: %s\n", name.c_str(), error.c_str());
            std::exit(1);
        }
    }

    u8* slot_of(const Head& head, const Part& part, bool low, int kv, int& slot) const {
        const PageLayout& layout = arena.layouts[low ? part.low_format : part.format];
        slot = kv % layout.slots;
        return page_at(arena, pages[(low ? head.low_pages : head.pages) + kv / layout.slots]);
    }

private:
    void make_arena(int page_count) {
        const int metadata = shape.log_weights ? 12 : 8, image = shape.page_tokens * (4 * shape.head_dim + metadata);
        arena.stride = (image + 15) / 16 * 16;
        arena.head_dim = shape.head_dim;
        arena.padding = 0;
        for (u32& word : arena.signs.words) word = random();
        memory.assign(arena.stride * page_count + 16, 0xff);
        arena.pages = memory.data() + (16 - (u64)memory.data() % 16) % 16;
        for (int f = 0; f < kFormatCount; f++) {
            PageLayout& layout = arena.layouts[f];
            const int key = shape.head_dim * bits_of_format(f, false) / 8, value = shape.head_dim * bits_of_format(f, true) / 8, scales = f >= kK8V8 ? 8 : 0;
            layout.format = f;
            layout.slots = f == kF32 ? shape.page_tokens / 2 : f < kK8V8 ? shape.page_tokens : image / (key + value + scales + metadata);
            layout.key_bytes = key;
            layout.value_bytes = value;
            layout.values = layout.slots * key;
            layout.positions = image - layout.slots * metadata;
            layout.scales = layout.positions - layout.slots * scales;
            layout.scores = layout.positions + 4 * layout.slots;
            layout.turns = !shape.turns || f < kK8V4 ? 0 : f == kK8V4 ? kTurnsValues : kTurnsKeys | kTurnsValues;
            layout.log_weights = shape.log_weights ? layout.scores + 4 * layout.slots : -1;
        }
    }

    void add_head(const Part& part, int h, std::vector<int>& free) {
        Head head{(int)pages.size(), part.lengths[h], 0, part.low_lengths.empty() ? 0 : part.low_lengths[h]};
        take_pages(free, head.length + part.rows, arena.layouts[part.format].slots);
        head.low_pages = (int)pages.size();
        take_pages(free, head.low_length, arena.layouts[part.low_format].slots);
        heads.push_back(head);
        for (int low = 0; low < 2; low++) {
            for (int kv = 0; kv < (low ? head.low_length : head.length); kv++) {
                int slot;
                u8* page = slot_of(head, part, low, kv, slot);
                store(arena.layouts[low ? part.low_format : part.format], page, slot, low ? 2 * kv : kv);
            }
        }
    }

    void take_pages(std::vector<int>& free, int kvs, int slots) {
        for (int i = 0; i * slots < kvs; i++) {
            pages.push_back(free.back());
            free.pop_back();
        }
    }

    void store(const PageLayout& layout, u8* page, int slot, int position) {
        for (int value = 0; value < 2; value++) {
            u8* row = value ? value_row(layout, page, slot) : key_row(layout, page, slot);
            const int bits = bits_of_format(layout.format, value);
            for (int i = 0; i < shape.head_dim * bits / 8; i++) row[i] = 0;
            for (int i = 0; i < shape.head_dim; i++) store_number(layout.format, row, i, bits);
            if (is_quantized(layout.format)) {
                u16* scales = scales_of(layout, page, slot) + 2 * value;
                const float levels = !value && turns_keys(layout) ? 254.0f : (float)(1 << bits);
                scales[0] = F16::down(6.0f / levels * (0.5f + (random() % 100) / 100.0f));
                scales[1] = F16::down(normal(random) * 0.1f - (value && bits < 8 ? 3 : 0));
            }
        }
        store_metadata(layout, page, slot, position, 0.5f, shape.log_weights ? normal(random) : 0);
    }

    void store_number(int format, u8* row, int i, int bits) {
        const float x = normal(random);
        const int bit = code_bit(i, bits < 16 ? bits : 8, shape.head_dim);
        if (format == kF32) ((float*)row)[i] = x;
        else if (format == kF16) ((u16*)row)[i] = F16::down(x);
        else if (format == kBF16) ((u16*)row)[i] = BF16::down(x);
        else row[bit >> 3] |= (random() % (1 << bits)) << (bit & 7);
    }
};

// Blocks of powers of two are multiplied with their Hadamard matrix, then signs change.
inline void turn_back_plainly(const World& world, float* numbers) {
    int block = 0;
    for (int start = 0; start < world.shape.head_dim; start += block) {
        for (block = 8; start + 2 * block <= world.shape.head_dim; block *= 2) {}
        std::vector<double> turned(numbers + start, numbers + start + block);
        for (int i = 0; i < block; i++) {
            double sum = 0;
            for (int j = 0; j < block; j++) sum += (__builtin_popcount(i & j) & 1 ? -1 : 1) * turned[j];
            const bool negative = world.arena.signs.words[(start + i) / 32] >> (start + i) % 32 & 1;
            numbers[start + i] = (float)((negative ? -1 : 1) * sum / std::sqrt((double)block));
        }
    }
}

// A head as numbers, its right end first.
struct PlainHead {
    int low, before, count;
    std::vector<float> keys, values, log_weights, scores;
    std::vector<int> positions;

    PlainHead(const World& world, int sequence, int h) {
        const Part& part = world.parts[sequence];
        const Head& head = world.heads[sequence * world.shape.kv_heads + h];
        low = head.low_length;
        before = low + head.length;
        count = before + part.rows;
        for (int i = 0; i < count; i++) {
            int slot;
            u8* page = world.slot_of(head, part, i < low, i < low ? i : i - low, slot);
            const PageLayout& layout = world.arena.layouts[i < low ? part.low_format : part.format];
            for (int d = 0; d < world.shape.head_dim; d++) {
                keys.push_back(key_number(layout, page, slot, d, world.shape.head_dim));
                values.push_back(value_number(layout, page, slot, d, world.shape.head_dim));
            }
            if (turns_keys(layout)) turn_back_plainly(world, &keys[(size_t)i * world.shape.head_dim]);
            if (turns_values(layout)) turn_back_plainly(world, &values[(size_t)i * world.shape.head_dim]);
            log_weights.push_back(world.shape.log_weights ? *log_weight_of(layout, page, slot) : 0);
            scores.push_back(*score_of(layout, page, slot));
            positions.push_back(*position_of(layout, page, slot));
        }
    }

    // Attention of a row and member to all KVs.
    std::vector<double> weights(const World& world, int sequence, int h, int row, int member) const {
        const Shape& shape = world.shape;
        const int batch_row = world.sequences[sequence].first_row + row;
        const float* query = &world.rows[(size_t)batch_row * world.row_width() + (h * shape.group() + member) * shape.head_dim];
        std::vector<double> weights(count, -INFINITY);
        double largest = -INFINITY, sum = 0;
        for (int i = 0; i < count; i++) {
            if (i > before + row || (shape.window && positions[i] <= world.positions[batch_row] - shape.window)) continue;
            double logit = 0;
            for (int d = 0; d < shape.head_dim; d++) logit += (double)query[d] * keys[i * shape.head_dim + d];
            logit *= shape.scale();
            if (shape.cap) logit = shape.cap * std::tanh(logit / shape.cap);
            weights[i] = logit + log_weights[i];
            largest = std::max(largest, weights[i]);
        }
        for (double& w : weights) sum += w = std::exp(w - largest);
        for (double& w : weights) w /= sum;
        return weights;
    }
};

}  // namespace kv::test
