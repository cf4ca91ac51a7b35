// Functions made of plain arithmetic, the same on the device and on the emulator, bit for bit: sums and products are rounded one
// by one (the build turns contraction off), fused ones are written as fma.
#pragma once

namespace kv {
constexpr float LOG2_OF_E = 1.44269504088896341f;
constexpr float INFINITE = __builtin_huge_valf();

KV_DEVICE float minimum(float a, float b) { return a < b ? a : b; }
KV_DEVICE float maximum(float a, float b) { return a > b ? a : b; }
KV_DEVICE int minimum(int a, int b) { return a < b ? a : b; }
KV_DEVICE int maximum(int a, int b) { return a > b ? a : b; }
KV_DEVICE float absolute(float x) { return float_of(bits_of(x) & 0x7fffffffu); }
KV_DEVICE float rsqrt(float x) { return 1.0f / sqrt(x); }
KV_DEVICE int lane_index() { return thread_index() & 31; }
KV_DEVICE int warp_index() { return thread_index() >> 5; }
KV_DEVICE int ceiling_divide(int a, int b) { return (a + b - 1) / b; }

/// 2 to the power of a whole number from -126 to 127.
KV_DEVICE float power_of_two(int exponent) { return float_of((u32)(exponent + 127) << 23); }

/// e to the x, within 2 units in the last place. x = n ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts so that r is exact enough;
/// a polynomial gives e^r, and two factors give 2^n so that results below the smallest normal number round once.
KV_DEVICE float exp(float x) {
    if (!(x > -104.0f)) {
        return x != x ? x : 0.0f;
    }
    if (x > 88.7228391f) {
        return INFINITE;
    }
    const int n = round_to_int(x * LOG2_OF_E);
    float r = fma((float)n, -0.693359375f, x);
    r = fma((float)n, 2.12194440e-4f, r);
    float p = 1.9875691500e-4f;
    p = fma(p, r, 1.3981999507e-3f);
    p = fma(p, r, 8.3334519073e-3f);
    p = fma(p, r, 4.1665795894e-2f);
    p = fma(p, r, 1.6666665459e-1f);
    p = fma(p, r, 5.0000001201e-1f);
    p = fma(p, r * r, r) + 1.0f;
    const int half = n / 2;
    return p * power_of_two(half) * power_of_two(n - half);
}

/// Natural logarithm, within 2 units in the last place. x = 2^n m with m from sqrt(1/2) to sqrt(2); a polynomial gives log m.
KV_DEVICE float log(float x) {
    if (!(x > 0.0f)) {
        return x == 0.0f ? -INFINITE : float_of(0x7fc00000u);
    }
    if (x == INFINITE) {
        return x;
    }
    int n = 0;
    if (x < 1.17549435e-38f) {
        x *= 8388608.0f;
        n = -23;
    }
    u32 bits = bits_of(x);
    n += (int)(bits >> 23) - 126;
    float m = float_of((bits & 0x007fffffu) | 0x3f000000u);
    if (m < 0.707106781f) {
        m += m;
        n -= 1;
    }
    m -= 1.0f;
    const float z = m * m;
    float p = 7.0376836292e-2f;
    p = fma(p, m, -1.1514610310e-1f);
    p = fma(p, m, 1.1676998740e-1f);
    p = fma(p, m, -1.2420140846e-1f);
    p = fma(p, m, 1.4249322787e-1f);
    p = fma(p, m, -1.6668057665e-1f);
    p = fma(p, m, 2.0000714765e-1f);
    p = fma(p, m, -2.4999993993e-1f);
    p = fma(p, m, 3.3333331174e-1f);
    float y = p * m * z;
    y = fma((float)n, -2.12194440e-4f, y);
    y = fma(-0.5f, z, y);
    return fma((float)n, 0.693359375f, m + y);
}

/// Hyperbolic tangent: an odd polynomial near 0, where 1 - 2 / (e^2x + 1) would cancel.
KV_DEVICE float tanh(float x) {
    const float a = absolute(x);
    if (a < 0.625f) {
        const float z = x * x;
        float p = -5.70498872745e-3f;
        p = fma(p, z, 2.06390887954e-2f);
        p = fma(p, z, -5.37397155531e-2f);
        p = fma(p, z, 1.33314422036e-1f);
        p = fma(p, z, -3.33332819422e-1f);
        return fma(p * z, x, x);
    }
    const float t = a > 10.0f ? 1.0f : 1.0f - 2.0f / (exp(a + a) + 1.0f);
    return x != x ? x : x < 0.0f ? -t : t;
}
}
