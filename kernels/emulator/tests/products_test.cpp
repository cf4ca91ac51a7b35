// Rows made ready and multiplied in all forms and formats, against plain loops and against each other bit by bit; the largest numbers of rows.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>
#include "../../cuda/products.h"
#include "launching.h"

using namespace kv;
using namespace kv::test;

namespace {

template <class T> T* aligned(std::vector<T>& memory) { return (T*)(((u64)memory.data() + 15) / 16 * 16); }

/// How a format lies in memory: bytes and columns of a block, where its scales are and how many.
struct Format {
    const char* name;
    int bytes, columns, scales_at, scales;
    bool is_brains() const { return std::string(name) == "BF16"; }
};

struct Products {
    static constexpr int kRows = 67, kOutputs = 35;
    int columns;
    std::vector<u8> weights;
    std::vector<float> input, norm, sums, factors;
    std::vector<u8> prepared;
    std::mt19937 random{5};

    explicit Products(int columns) : columns(columns), input(kRows * columns + 4), norm(columns + 4), sums(kRows * (columns / 64 + 1) * 4 + 4), factors(kRows), prepared(kRows * columns * 4 + 16) {
        for (float& x : input) x = (float)(random() % 2001) / 1000 - 1;
        for (float& x : norm) x = (float)(random() % 1000) / 1000;
    }

    float normed(int row, int k) {
        double sum = 0;
        const float* x = aligned(input) + row * columns;
        for (int i = 0; i < columns; i++) sum += (double)x[i] * x[i];
        return (float)(x[k] / std::sqrt(sum / columns + 1e-5) * aligned(norm)[k]);
    }

    ProductArguments arguments(i64 row_bytes, std::vector<float>& output) {
        ProductArguments a{};
        a.weights = aligned(weights);
        a.input = aligned(prepared);
        a.sums = aligned(sums);
        a.factors = factors.data();
        a.output = output.data();
        a.row_bytes = row_bytes;
        a.outputs = a.output_stride = kOutputs;
        a.columns = columns;
        a.sums_stride = (columns + 63) / 64 * 4;
        a.scale = 1;
        return a;
    }

    void prepare() {
        PrepareArguments a{};
        a.input = aligned(input);
        a.weights = aligned(norm);
        a.output = aligned(prepared);
        a.sums = aligned(sums);
        a.factors = factors.data();
        a.columns = columns;
        a.sums_stride = (columns + 63) / 64 * 4;
        a.epsilon = 1e-5f;
        launch("kv_prepare", a, kRows, 1, 256, 64);
    }

    i64 fill(const Format& format) {
        const i64 row_bytes = (i64)columns / format.columns * format.bytes;
        weights.assign(row_bytes * kOutputs + 32, 0);
        for (u8& byte : weights) byte = (u8)random();
        for (i64 at = 0; at < row_bytes * kOutputs; at += format.bytes) {
            for (int i = 0; i < format.scales; i++) {
                const float x = (float)(random() % 100) / 10000;
                ((u16*)(aligned(weights) + at + format.scales_at))[i] = format.is_brains() ? BF16::down(x) : F16::down(x);
            }
        }
        return row_bytes;
    }

    template <class Codes, class Weights> bool run(const Format& how) {
        const char* name = how.name;
        const i64 row_bytes = fill(how);
        prepare();
        std::vector<float> few(kRows * kOutputs), some(few.size()), many(few.size());
        ProductArguments a = arguments(row_bytes, few);
        if (how.is_brains()) {
            for (int i = 0; i < kRows * columns; i++) ((float*)a.input)[i] = normed(i / columns, i % columns);
            a.sums = a.factors = nullptr;
        }
        constexpr int stride = ChunkShape<Codes>::STRIDE;
        const std::string format = name;
        for (int row = 0; row < kRows; row += 8) {
            ProductArguments b = a;
            b.rows = std::min(8, kRows - row);
            b.input += (u64)row * columns * 4;
            if (!how.is_brains()) {
                b.sums += row * b.sums_stride;
                b.factors += row;
            }
            b.output += row * kOutputs;
            launch("kv_multiply_8_" + format, b, ceiling_divide(kOutputs, 16), 1, 256, 8 * (2 * 16 * stride + 2 * 16 * 8 * 4));
        }
        a.rows = kRows;
        a.output = some.data();
        launch("kv_multiply_32_" + format, a, ceiling_divide(kOutputs, 32), ceiling_divide(kRows, 32), 128, 4 * (2 * 32 * stride + 2 * 32 * 32 * 4));
        a.output = many.data();
        launch("kv_multiply_many_" + format, a, ceiling_divide(kRows, 64), 1, 256, 2 * (64 * 64 * 4 + 64 * 16 + 128 * stride));
        return agree(name, few, some) && agree(name, few, many) && (how.is_brains() || experts<Codes>(how, a, few)) && is_close<Weights>(name, row_bytes, few);
    }

    // Two slots a row; both experts have the weights, the second from its third output on.
    template <class Codes> bool experts(const Format& how, ProductArguments a, const std::vector<float>& expected) {
        constexpr int kSlots = 4;
        std::vector<float> products(kSlots * kOutputs);
        const u64 weights[] = {(u64)a.weights, (u64)a.weights + 2 * a.row_bytes};
        const int chosen[kSlots] = {1, 0, 0, 1};
        a.output = products.data();
        a.outputs = kOutputs - 2;
        launch(std::string("kv_multiply_expert_") + how.name, ExpertProductArguments{a, weights, chosen, 2, 0}, ceiling_divide(a.outputs, 16), kSlots, 256,
            8 * (2 * 16 * ChunkShape<Codes>::STRIDE + 2 * 16 * 8 * 4));
        for (int i = 0; i < kSlots * a.outputs; i++) {
            const int slot = i / a.outputs, output = i % a.outputs;
            if (!equal(how.name, i, bits_of(products[slot * kOutputs + output]), bits_of(expected[slot / 2 * kOutputs + output + 2 * chosen[slot]]))) return false;
        }
        return true;
    }

    static bool agree(const char* name, const std::vector<float>& a, const std::vector<float>& b) {
        for (size_t i = 0; i < a.size(); i++) {
            if (bits_of(a[i]) != bits_of(b[i])) {
                std::printf("FAIL %s: row %d, output %d is %g and %g\n", name, (int)i / kOutputs, (int)i % kOutputs, a[i], b[i]);
                return false;
            }
        }
        return true;
    }

    template <class Weights> bool is_close(const char* name, i64 row_bytes, const std::vector<float>& products) {
        for (int row = 0; row < kRows; row += 22) {
            std::vector<double> sums(kOutputs), sizes(kOutputs);
            for (int o = 0; o < kOutputs; o++) {
                for (int g = 0; g < columns / 16; g++) {
                    float w[16];
                    Weights::group(aligned(weights) + o * row_bytes, g, w);
                    for (int i = 0; i < 16; i++) {
                        const double product = (double)w[i] * cached(row, 16 * g + i);
                        sums[o] += product;
                        sizes[o] += std::fabs(product);
                    }
                }
                if (!(std::fabs(products[row * kOutputs + o] - sums[o]) <= 2e-6 * sizes[o] + 1e-6)) {
                    std::printf("FAIL %s: row %d, output %d is %g, not %g\n", name, row, o, products[row * kOutputs + o], sums[o]);
                    return false;
                }
            }
        }
        return true;
    }

    float cached(int row, int k) {
        if (cached_row != row) {
            values.resize(columns);
            for (int i = 0; i < columns; i++) values[i] = normed(row, i);
            cached_row = row;
        }
        return values[k];
    }

    int cached_row = -1;
    std::vector<float> values;
};

bool top() {
    constexpr int kColumns = 5000, kCount = 9;
    std::vector<float> values(2 * kColumns);
    std::mt19937 random{6};
    for (float& x : values) x = (float)(random() % 4000);
    std::vector<u64> first(2 * 2 * kCount), found(2 * kCount);
    launch("kv_top", TopArguments{values.data(), nullptr, first.data(), kColumns, kCount}, 2, 2, 256, 128);
    launch("kv_top", TopArguments{nullptr, first.data(), found.data(), 2 * kCount, kCount}, 1, 2, 256, 128);
    for (int row = 0; row < 2; row++) {
        std::vector<int> order(kColumns);
        for (int i = 0; i < kColumns; i++) order[i] = i;
        const float* x = values.data() + row * kColumns;
        std::stable_sort(order.begin(), order.end(), [x](int a, int b) { return x[a] > x[b]; });
        for (int i = 0; i < kCount; i++) {
            if (~(u32)found[row * kCount + i] != (u32)order[i]) {
                std::printf("FAIL top: entry %d of row %d is column %d, not %d\n", i, row, (int)~(u32)found[row * kCount + i], order[i]);
                return false;
            }
        }
    }
    return true;
}

}  // namespace

int main() {
    // More segments than a block has warps, the last one not whole.
    Products wide(2304), odd(2208), small(512), narrow(96);
    int failed = 0;
    failed += !narrow.run<CodesQ4_0, WeightsQ4_0>({"Q4_0", 18, 32, 0, 1});
    failed += !wide.run<CodesQ4_K, WeightsQ4_K>({"Q4_K", 144, 256, 0, 2});
    failed += !wide.run<CodesQ6_K, WeightsQ6_K>({"Q6_K", 210, 256, 208, 1});
    failed += !odd.run<CodesQ8_0, WeightsQ8_0>({"Q8_0", 34, 32, 0, 1});
    failed += !narrow.run<CodesF16, WeightsF16>({"F16", 2, 1, 0, 1}) + !narrow.run<CodesBF16, WeightsBF16>({"BF16", 2, 1, 0, 1});
    failed += !narrow.run<CodesQ4_1, WeightsQ4_1>({"Q4_1", 20, 32, 0, 2}) + !narrow.run<CodesQ5_0, WeightsQ5_0>({"Q5_0", 22, 32, 0, 1}) + !narrow.run<CodesQ5_1, WeightsQ5_1>({"Q5_1", 24, 32, 0, 2});
    failed += !narrow.run<CodesIQ4_NL, WeightsIQ4_NL>({"IQ4_NL", 18, 32, 0, 1}) + !small.run<CodesIQ4_XS, WeightsIQ4_XS>({"IQ4_XS", 136, 256, 0, 1});
    failed += !small.run<CodesQ2_K, WeightsQ2_K>({"Q2_K", 84, 256, 80, 2}) + !small.run<CodesQ3_K, WeightsQ3_K>({"Q3_K", 110, 256, 108, 1}) + !small.run<CodesQ5_K, WeightsQ5_K>({"Q5_K", 176, 256, 0, 2});
    failed += !top();
    std::printf("%d cases failed\n", failed);
    return failed != 0;
}
