// Rows made ready and multiplied in all forms, against plain loops and against each other bit by bit; the largest numbers of rows.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>
#include "../../cuda/products.h"

using namespace kv;

namespace {

template <class Arguments> void launch(const std::string& name, const Arguments& arguments, int x, int y, int threads, size_t shared) {
    const emulator::Kernel* kernel = emulator::find_kernel(name);
    emulator::Options options;
    options.order = 7;
    const std::string error = !kernel ? "there is no " + name : kernel->argument_bytes != sizeof(Arguments) ? "sizes differ" :
        emulator::launch(*kernel, &arguments, {(unsigned)x, (unsigned)y, 1}, {(unsigned)threads, 1, 1}, shared, options);
    if (!error.empty()) {
        std::printf("%s: %s\n", name.c_str(), error.c_str());
        std::exit(1);
    }
}

template <class T> T* aligned(std::vector<T>& memory) { return (T*)(((u64)memory.data() + 15) / 16 * 16); }

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

    template <class Codes, class Weights> bool run(const char* name, int block_bytes, int block_columns, int scales) {
        const i64 row_bytes = (i64)columns / block_columns * block_bytes;
        weights.assign(row_bytes * kOutputs + 32, 0);
        for (u8& byte : weights) byte = (u8)random();
        for (i64 at = 0; at < row_bytes * kOutputs; at += block_bytes) {
            for (int i = 0; i < scales; i++) ((u16*)(aligned(weights) + at + (block_bytes == 210 ? 208 : 0)))[i] = F16::down((float)(random() % 100) / 10000);
        }
        prepare();
        std::vector<float> few(kRows * kOutputs), some(few.size()), many(few.size());
        ProductArguments a = arguments(row_bytes, few);
        constexpr int stride = ChunkShape<Codes>::STRIDE;
        const std::string format = name;
        for (int row = 0; row < kRows; row += 8) {
            ProductArguments b = a;
            b.rows = std::min(8, kRows - row);
            b.input += (u64)row * columns * 4;
            b.sums += row * b.sums_stride;
            b.factors += row;
            b.output += row * kOutputs;
            launch("kv_multiply_8_" + format, b, ceiling_divide(kOutputs, 16), 1, 256, 8 * (2 * 16 * stride + 2 * 16 * 8 * 4));
        }
        a.rows = kRows;
        a.output = some.data();
        launch("kv_multiply_32_" + format, a, ceiling_divide(kOutputs, 32), ceiling_divide(kRows, 32), 128, 4 * (2 * 32 * stride + 2 * 32 * 32 * 4));
        a.output = many.data();
        launch("kv_multiply_many_" + format, a, ceiling_divide(kRows, 64), 1, 256, 2 * (64 * 64 * 4 + 64 * 16 + 128 * stride));
        return agree(name, few, some) && agree(name, few, many) && close<Weights>(name, row_bytes, few);
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

    template <class Weights> bool close(const char* name, i64 row_bytes, const std::vector<float>& products) {
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
    Products narrow(96), wide(2304), odd(2208);
    int failed = 0;
    failed += !narrow.run<CodesQ4_0, WeightsQ4_0>("Q4_0", 18, 32, 1);
    failed += !wide.run<CodesQ4_K, WeightsQ4_K>("Q4_K", 144, 256, 2);
    failed += !wide.run<CodesQ6_K, WeightsQ6_K>("Q6_K", 210, 256, 1);
    failed += !odd.run<CodesQ8_0, WeightsQ8_0>("Q8_0", 34, 32, 1);
    failed += !top();
    std::printf("%d cases failed\n", failed);
    return failed != 0;
}
