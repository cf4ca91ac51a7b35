// Dense operations beside products on tensor cores, against plain loops: singles, gates, tables, norms, the choice of experts, and what stands around a library's products.
#include <algorithm>
#include <cmath>
#include <random>
#include "../../cuda/linear.h"
#include "launching.h"

using namespace kv;
using namespace kv::test;

namespace {

std::mt19937 random_numbers(9);
float number() { return (float)(random_numbers() % 2001) / 1000 - 1; }

Memory<float> numbers(size_t count) {
    Memory<float> made(count);
    for (size_t i = 0; i < count; i++) made[i] = number();
    return made;
}

float stored(WeightsF32, u8* at, float x) { *(float*)at = x; return x; }
float stored(WeightsF16, u8* at, float x) { *(u16*)at = F16::down(x); return F16::up(*(u16*)at); }
float stored(WeightsBF16, u8* at, float x) { *(u16*)at = BF16::down(x); return BF16::up(*(u16*)at); }

template <class Weights> bool linear(const char* name, int size, int columns) {
    constexpr int kRows = 11, kOutputs = 7;
    Memory<u8> weights((size_t)kOutputs * columns * size);
    Memory<float> input = numbers(kRows * columns), output = numbers(kRows * kOutputs), bias = numbers(kOutputs), values(kOutputs * columns);
    for (int i = 0; i < kOutputs * columns; i++) values[i] = stored(Weights(), weights.get() + i * size, number());
    std::vector<float> before(output.get(), output.get() + kRows * kOutputs);
    LinearArguments a{weights.get(), input.get(), bias.get(), output.get(), (i64)columns * size, kRows, kOutputs, columns, kOutputs, 1, 0.5f, 0, 0};
    launch(std::string("kv_linear_") + name, a, 2, 2, 128, 0);
    for (int i = 0; i < kRows * kOutputs; i++) {
        double sum = bias[i % kOutputs];
        for (int k = 0; k < columns; k++) sum += (double)input[i / kOutputs * columns + k] * values[i % kOutputs * columns + k];
        if (!close(name, i, output[i], before[i] + 0.5 * sum, 1e-5)) return false;
    }
    return true;
}

bool gates() {
    constexpr int kRows = 3, kColumns = 150;
    for (int gelu = 0; gelu < 2; gelu++) {
        Memory<float> products = numbers(kRows * 2 * kColumns), output(kRows * kColumns);
        launch("kv_gate", GateArguments{products.get(), output.get(), kRows, kColumns, gelu, 0}, 2, kRows, 128, 0);
        for (int i = 0; i < kRows * kColumns; i++) {
            const double g = products[i / kColumns * 2 * kColumns + i % kColumns], up = products[i / kColumns * 2 * kColumns + kColumns + i % kColumns];
            const double y = gelu ? 0.5 * g * (1 + std::tanh(std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g))) : g / (1 + std::exp(-g));
            if (!close("gates", i, output[i], y * up, 1e-5)) return false;
        }
    }
    return true;
}

template <class Weights> bool embed(const char* name, int bytes, int block) {
    constexpr int kColumns = 512, kRows = 5;
    const i64 row_bytes = (i64)kColumns / block * bytes;
    Memory<u8> weights(kRows * row_bytes + 16);
    for (i64 i = 0; i < kRows * row_bytes; i++) weights[i] = (u8)(random_numbers() % 60);  // no half or single is infinite then
    const int tokens[] = {12, 9, 14, 10, 3};
    Memory<float> output(5 * kColumns);
    for (int i = 0; i < 5 * kColumns; i++) output[i] = 7;
    launch(std::string("kv_embed_") + name, EmbedArguments{weights.get(), tokens, output.get(), row_bytes, 5, 10, kRows, kColumns, 2, 0}, 5, 1, 128, 0);
    for (int i = 0; i < 5 * kColumns; i++) {
        const int token = tokens[i / kColumns] - 10, column = i % kColumns;
        float w[16] = {};
        if (token >= 0 && token < kRows) Weights::group(weights.get() + token * row_bytes, column / 16, w);
        if (!close(name, i, output[i], token >= 0 && token < kRows ? 2 * w[column % 16] : 7, 0)) return false;
    }
    return true;
}

double norm_factor(float* row, int columns) {
    double sum = 0;
    for (int i = 0; i < columns; i++) sum += (double)row[i] * row[i];
    return 1 / std::sqrt(sum / columns + 1e-5);
}

bool norms() {
    constexpr int kRows = 4, kColumns = 70;
    for (int adds = 0; adds < 2; adds++) {
        Memory<float> input = numbers(kRows * kColumns), weights = numbers(kColumns), output = numbers(kRows * kColumns);
        std::vector<float> before(output.get(), output.get() + kRows * kColumns);
        launch("kv_norm", NormArguments{input.get(), weights.get(), output.get(), kRows, kColumns, adds, 1e-5f, 0.5f, 0}, kRows, 1, 32, 0);
        for (int i = 0; i < kRows * kColumns; i++) {
            const double y = input[i] * norm_factor(input.get() + i / kColumns * kColumns, kColumns) * weights[i % kColumns] * 0.5;
            if (!close("norms", i, output[i], adds * before[i] + y, 1e-5)) return false;
        }
    }
    return true;
}

bool experts() {
    constexpr int kRows = 5, kExperts = 40, kPerRow = 4, kColumns = 200;
    for (int normalises = 0; normalises < 2; normalises++) {
        Memory<float> logits = numbers(kRows * kExperts), shares(kRows * kPerRow), results = numbers(kRows * kPerRow * kColumns), output = numbers(kRows * kColumns);
        std::vector<float> before(output.get(), output.get() + kRows * kColumns);
        std::vector<int> chosen(kRows * kPerRow);
        logits[3] = logits[7] = 2;
        logits[9] = NAN;
        if (!normalises) logits[9] = -3;
        launch("kv_choose_experts", ChooseArguments{logits.get(), chosen.data(), shares.get(), kRows, kExperts, kPerRow, normalises, 1.5f, 0}, kRows, 1, 32, 0);
        launch("kv_add_experts", ExpertArguments{results.get(), shares.get(), output.get(), kRows, kColumns, kPerRow, 1}, kRows, 2, 128, 0);
        for (int row = 0; row < kRows; row++) {
            float* own = logits.get() + row * kExperts;
            std::vector<int> order(kExperts);
            for (int e = 0; e < kExperts; e++) order[e] = e;
            std::stable_sort(order.begin(), order.end(), [own](int a, int b) { return (own[a] == own[a] ? own[a] : -INFINITY) > (own[b] == own[b] ? own[b] : -INFINITY); });
            double sum = 0;
            for (int i = 0; i < (normalises ? kPerRow : kExperts); i++) sum += std::exp((double)own[order[i]] - own[order[0]]);
            for (int i = 0; i < kPerRow; i++) {
                if (!equal("experts", row * kPerRow + i, chosen[row * kPerRow + i], order[i]) ||
                    !close("shares", row * kPerRow + i, shares[row * kPerRow + i], 1.5 * std::exp((double)own[order[i]] - own[order[0]]) / sum, 1e-5)) return false;
            }
            for (int c = 0; c < kColumns; c++) {
                double y = before[row * kColumns + c];
                for (int i = row * kPerRow; i < (row + 1) * kPerRow; i++) y += (double)results[i * kColumns + c] * shares[i];
                if (!close("results of experts", row * kColumns + c, output[row * kColumns + c], y, 1e-5)) return false;
            }
        }
    }
    return true;
}

// Rows rounded for a library, multiplied here in its place, and finished.
template <class Element> bool library(const char* name, double precision) {
    constexpr int kRows = 5, kColumns = 2064, kOutputs = 130;
    const bool halves = std::string(name) == "kv_round_F16";
    Memory<float> input = numbers(kRows * kColumns), norm = numbers(kColumns), factors(kRows), products = numbers(kRows * kOutputs), bias = numbers(kOutputs), output(kRows * kOutputs);
    Memory<u16> rounded(kRows * kColumns);
    for (int i = 0; i < kColumns; i++) input[kColumns + i] *= 1e6f;
    launch(name, RoundArguments{input.get(), norm.get(), (u8*)rounded.get(), halves ? factors.get() : nullptr, kColumns, 1e-5f}, kRows, 1, 256, 64);
    for (int i = 0; i < kRows * kColumns; i++) {
        const double expected = input[i] * norm_factor(input.get() + i / kColumns * kColumns, kColumns) * norm[i % kColumns];
        if (!close(name, i, Element::up(rounded[i]) * (halves ? (double)factors[i / kColumns] : 1.0), expected, std::fabs(expected) * precision + 1e-7)) return false;
    }
    launch("kv_finish", FinishArguments{products.get(), halves ? factors.get() : nullptr, bias.get(), output.get(), kOutputs, kOutputs, 0, 0.5f, 3, 0}, 2, kRows, 128, 0);
    for (int i = 0; i < kRows * kOutputs; i++) {
        const double y = products[i] * (halves ? (double)factors[i / kOutputs] : 1.0) + bias[i % kOutputs];
        if (!close("kv_finish", i, output[i], 3 * std::tanh(0.5 * y / 3), 1e-5)) return false;
    }
    return true;
}

}  // namespace

int main() {
    int failed = 0;
    for (int columns : {40, 64, 600, 1024}) failed += !linear<WeightsF32>("F32", 4, columns) + !linear<WeightsF16>("F16", 2, columns) + !linear<WeightsBF16>("BF16", 2, columns);
    failed += !gates() + !norms() + !experts();
    failed += !embed<WeightsF32>("F32", 4, 1) + !embed<WeightsF16>("F16", 2, 1) + !embed<WeightsBF16>("BF16", 2, 1) + !embed<WeightsQ4_0>("Q4_0", 18, 32) + !embed<WeightsQ4_1>("Q4_1", 20, 32);
    failed += !embed<WeightsQ5_0>("Q5_0", 22, 32) + !embed<WeightsQ5_1>("Q5_1", 24, 32) + !embed<WeightsQ8_0>("Q8_0", 34, 32) + !embed<WeightsIQ4_NL>("IQ4_NL", 18, 32) + !embed<WeightsIQ4_XS>("IQ4_XS", 136, 256);
    failed += !embed<WeightsQ2_K>("Q2_K", 84, 256) + !embed<WeightsQ3_K>("Q3_K", 110, 256) + !embed<WeightsQ4_K>("Q4_K", 144, 256) + !embed<WeightsQ5_K>("Q5_K", 176, 256) + !embed<WeightsQ6_K>("Q6_K", 210, 256);
    failed += !library<F16>("kv_round_F16", 1.0 / 2000) + !library<BF16>("kv_round_BF16", 1.0 / 250);
    std::printf("%d cases failed\n", failed);
    return failed != 0;
}
