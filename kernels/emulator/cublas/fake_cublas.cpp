// Stands in for libcublas on the fake driver: the calls that the binding uses, in the order of the stream, with every argument checked. Built as libcublas.so.12 beside libcuda.so.1.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

#define KV_LIBRARY extern "C" __attribute__((visibility("default")))

// Of the fake driver.
extern "C" int cuLaunchHostFunc(void* stream, void (*function)(void*), void* argument);
extern "C" int kvchatFakeInDeviceMemory(uint64_t address, size_t bytes);

namespace {
enum Status { SUCCESS = 0, NOT_INITIALIZED = 1, INVALID_VALUE = 7, EXECUTION_FAILED = 13, NOT_SUPPORTED = 15 };
enum Operation { AS_IT_IS = 0, TRANSPOSED = 1 };
enum Type { SINGLE = 0, HALF = 2, BRAIN = 14 };
constexpr int SUMS_IN_SINGLES = 68, ANY_ALGORITHM = -1;

struct Matrix {
    const char* data;
    int type, leading;
    bool transposed;

    // Of a matrix that counts by columns.
    double at(int row, int column) const {
        const size_t index = transposed ? (size_t)row * leading + column : (size_t)column * leading + row;
        if (type == SINGLE) {
            return ((const float*)data)[index];
        }
        const uint32_t bits = ((const uint16_t*)data)[index];
        if (type == BRAIN) {
            const uint32_t wide = bits << 16;
            float value;
            memcpy(&value, &wide, 4);
            return value;
        }
        const int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
        const double size = exponent == 31 ? (fraction ? NAN : INFINITY) : exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
        return bits >> 15 ? -size : size;
    }
};

struct Product {
    int m, n, k;
    float alpha, beta;
    Matrix a, b;
    float* c;
    int leading;
};

struct Handle {
    void* stream = nullptr;
    uint64_t workspace = 0;
    int math = 0;
    std::vector<std::unique_ptr<Product>> products;  // graphs may run them again
};

std::set<Handle*> handles;
long calls = 0, failing = 0;
int failing_status = EXECUTION_FAILED;

bool is_handle(void* handle) { return handles.count((Handle*)handle) != 0; }

void multiply(void* argument) {
    const Product& p = *(const Product*)argument;
    for (int column = 0; column < p.n; column++) {
        for (int row = 0; row < p.m; row++) {
            double sum = 0;
            for (int i = 0; i < p.k; i++) {
                sum += p.a.at(row, i) * p.b.at(i, column);
            }
            float& c = p.c[(size_t)column * p.leading + row];
            c = (float)(p.alpha * sum + (p.beta != 0 ? (double)p.beta * c : 0.0));
        }
    }
}

/// Whether a matrix of so many rows and columns as it is stored lies in device memory, with room between its columns.
bool is_there(const void* data, int type, int rows, int columns, int leading) {
    const size_t size = type == SINGLE ? 4 : 2;
    return leading >= rows && (uintptr_t)data % size == 0 && kvchatFakeInDeviceMemory((uint64_t)data, ((size_t)(columns - 1) * leading + rows) * size);
}
}

KV_LIBRARY int cublasCreate_v2(void** handle) {
    auto* made = new Handle;
    handles.insert(made);
    *handle = made;
    return SUCCESS;
}

KV_LIBRARY int cublasDestroy_v2(void* handle) {
    if (!is_handle(handle)) {
        return NOT_INITIALIZED;
    }
    handles.erase((Handle*)handle);
    delete (Handle*)handle;
    return SUCCESS;
}

// As in the real one, the workspace goes with the stream.
KV_LIBRARY int cublasSetStream_v2(void* handle, void* stream) {
    if (!is_handle(handle)) {
        return NOT_INITIALIZED;
    }
    ((Handle*)handle)->stream = stream;
    ((Handle*)handle)->workspace = 0;
    return SUCCESS;
}

KV_LIBRARY int cublasSetWorkspace_v2(void* handle, void* workspace, size_t bytes) {
    if (!is_handle(handle)) {
        return NOT_INITIALIZED;
    }
    if ((uint64_t)workspace % 256 != 0 || !kvchatFakeInDeviceMemory((uint64_t)workspace, bytes)) {
        return INVALID_VALUE;
    }
    ((Handle*)handle)->workspace = (uint64_t)workspace;
    return SUCCESS;
}

KV_LIBRARY int cublasSetMathMode(void* handle, int mode) {
    if (!is_handle(handle)) {
        return NOT_INITIALIZED;
    }
    ((Handle*)handle)->math = mode;
    return (mode & ~(15 | 16)) == 0 ? SUCCESS : INVALID_VALUE;
}

KV_LIBRARY int cublasGetVersion_v2(void* handle, int* version) {
    *version = 120400;
    return is_handle(handle) ? SUCCESS : NOT_INITIALIZED;
}

KV_LIBRARY const char* cublasGetStatusName(int status) {
    switch (status) {
        case SUCCESS: return "CUBLAS_STATUS_SUCCESS";
        case NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
        case INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
        case EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
        case NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
        default: return "CUBLAS_STATUS_UNKNOWN";
    }
}

KV_LIBRARY int cublasGemmEx(void* pointer, int a_operation, int b_operation, int m, int n, int k, const void* alpha, const void* a, int a_type, int a_leading, const void* b, int b_type,
                            int b_leading, const void* beta, void* c, int c_type, int c_leading, int sums, int algorithm) {
    if (!is_handle(pointer)) {
        return NOT_INITIALIZED;
    }
    calls++;
    Handle& handle = *(Handle*)pointer;
    if (calls == failing) {
        return failing_status;
    }
    if (a_type != b_type || (a_type != HALF && a_type != BRAIN) || c_type != SINGLE || sums != SUMS_IN_SINGLES || algorithm != ANY_ALGORITHM) {
        return NOT_SUPPORTED;
    }
    const bool transposes_a = a_operation == TRANSPOSED, transposes_b = b_operation == TRANSPOSED;
    if (m <= 0 || n <= 0 || k <= 0 || !handle.workspace || !is_there(a, a_type, transposes_a ? k : m, transposes_a ? m : k, a_leading) ||
        !is_there(b, b_type, transposes_b ? n : k, transposes_b ? k : n, b_leading) || !is_there(c, c_type, m, n, c_leading)) {
        return INVALID_VALUE;
    }
    handle.products.push_back(std::make_unique<Product>(Product{m, n, k, *(const float*)alpha, *(const float*)beta, {(const char*)a, a_type, a_leading, transposes_a},
        {(const char*)b, b_type, b_leading, transposes_b}, (float*)c, c_leading}));
    return cuLaunchHostFunc(handle.stream, multiply, handle.products.back().get()) == 0 ? SUCCESS : EXECUTION_FAILED;
}

/// Products since the last reset; the product of that number fails with a status (0: none does).
KV_LIBRARY long kvchatCublasCalls() { return calls; }
KV_LIBRARY long kvchatCublasHandles() { return (long)handles.size(); }
KV_LIBRARY void kvchatCublasReset(long fail_at, int status) {
    calls = 0;
    failing = fail_at;
    failing_status = status;
}
