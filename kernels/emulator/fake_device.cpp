// Devices, contexts, errors, and the faults that tests inject.
#include "fake_driver.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace kv::driver {
namespace {
thread_local void* current_context;
char primary_context;

/// Compute capability as major * 10 + minor.
int capability() {
    int major = 8, minor = 0;
    sscanf(setting("CAPABILITY", "8.0").c_str(), "%d.%d", &major, &minor);
    return major * 10 + minor;
}

int device_attribute(int attribute) {
    switch (attribute) {
        case 1: case 2: case 3: return 1024;                       // threads per block, block x, y
        case 4: return 64;                                         // block z
        case 5: return 2147483647;                                 // grid x
        case 6: case 7: return 65535;                              // grid y, z
        case 8: return 48 << 10;                                   // shared memory per block
        case 10: return 32;                                        // warp size
        case 12: return 65536;                                     // registers per block
        case 16: return (int)number_setting("MULTIPROCESSORS", 8);
        case 39: return 2048;                                      // threads per multiprocessor
        case 40: return 2;                                         // copy engines
        case 41: return 1;                                         // unified addressing
        case 75: return capability() / 10;
        case 76: return capability() % 10;
        case 81: return 164 << 10;                                 // shared memory per multiprocessor
        case 97: return (int)number_setting("SHARED_OPTIN", 163 << 10);
        case 115: return (int)number_setting("POOLS", 1);          // memory pools
        default: return 0;
    }
}

struct ErrorName {
    int code;
    const char* name;
    const char* text;
};

const ErrorName ERRORS[] = {
    {SUCCESS, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {INVALID_PTX, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {UNSUPPORTED_PTX_VERSION, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain"},
    {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {MISALIGNED_ADDRESS, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
    {CAPTURE_UNMATCHED, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "capture was not initiated in this stream"},
    {CAPTURE_UNJOINED, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED", "capturing stream has unjoined work"},
    {CAPTURE_ISOLATION, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION", "dependency created on uncaptured work in another stream"},
};

const ErrorName* find_error(int code) {
    for (const ErrorName& error : ERRORS) {
        if (error.code == code) {
            return &error;
        }
    }
    return nullptr;
}
}

Machine& machine() {
    static Machine* const only = new Machine;
    return *only;
}

std::string setting(const char* name, const char* otherwise) {
    const auto found = machine().settings.find(name);
    if (found != machine().settings.end()) {
        return found->second;
    }
    const char* given = getenv((std::string("KVCHAT_FAKE_") + name).c_str());
    return given ? given : otherwise;
}

long number_setting(const char* name, long otherwise) {
    const std::string given = setting(name, "");
    return given.empty() ? otherwise : strtol(given.c_str(), nullptr, 10);
}

Result usable() {
    if (!machine().initialized) {
        return NOT_INITIALIZED;
    }
    if (!current_context || machine().retained == 0) {
        return INVALID_CONTEXT;
    }
    return machine().sticky;
}

Result break_context(Result result, const std::string& why) {
    if (machine().sticky == SUCCESS) {
        machine().sticky = result;
        machine().failure = why;
    }
    return result;
}
}

using namespace kv::driver;

KV_DRIVER int cuInit(unsigned flags) {
    std::lock_guard<std::recursive_mutex> guard(machine().lock);
    if (flags != 0) {
        return INVALID_VALUE;
    }
    const long fault = number_setting("INIT_ERROR", number_setting("DEVICES", 1) == 0 ? NO_DEVICE : SUCCESS);
    machine().initialized = fault == SUCCESS;
    return (int)fault;
}

KV_DRIVER int cuDriverGetVersion(int* version) {
    *version = (int)number_setting("DRIVER_VERSION", 12040);
    return SUCCESS;
}

KV_DRIVER int cuDeviceGetCount(int* count) {
    *count = (int)number_setting("DEVICES", 1);
    return machine().initialized ? SUCCESS : NOT_INITIALIZED;
}

KV_DRIVER int cuDeviceGet(int* device, int ordinal) {
    if (!machine().initialized) {
        return NOT_INITIALIZED;
    }
    if (ordinal < 0 || ordinal >= number_setting("DEVICES", 1)) {
        return INVALID_DEVICE;
    }
    *device = ordinal;
    return SUCCESS;
}

KV_DRIVER int cuDeviceGetName(char* name, int length, int device) {
    snprintf(name, (size_t)length, "KvChat emulated device %d", device);
    return SUCCESS;
}

KV_DRIVER int cuDeviceGetUuid_v2(void* uuid, int device) {
    memset(uuid, device + 1, 16);
    return SUCCESS;
}

KV_DRIVER int cuDeviceTotalMem_v2(size_t* bytes, int) {
    *bytes = (size_t)number_setting("MEMORY", 4L << 30);
    return SUCCESS;
}

KV_DRIVER int cuDeviceGetAttribute(int* value, int attribute, int) {
    *value = device_attribute(attribute);
    return machine().initialized ? SUCCESS : NOT_INITIALIZED;
}

KV_DRIVER int cuDevicePrimaryCtxRetain(void** context, int device) {
    std::lock_guard<std::recursive_mutex> guard(machine().lock);
    if (!machine().initialized) {
        return NOT_INITIALIZED;
    }
    if (device < 0 || device >= number_setting("DEVICES", 1)) {
        return INVALID_DEVICE;
    }
    machine().retained++;
    *context = &primary_context;
    return machine().sticky;
}

KV_DRIVER int cuDevicePrimaryCtxRelease_v2(int) {
    std::lock_guard<std::recursive_mutex> guard(machine().lock);
    if (machine().retained == 0) {
        return INVALID_CONTEXT;
    }
    if (--machine().retained == 0) {
        run_everything();
        forget_streams();
        forget_memory();
        forget_modules();
        machine().sticky = SUCCESS;
    }
    return SUCCESS;
}

KV_DRIVER int cuDevicePrimaryCtxRelease(int device) { return cuDevicePrimaryCtxRelease_v2(device); }

KV_DRIVER int cuCtxSetCurrent(void* context) {
    if (context && context != &primary_context) {
        return INVALID_CONTEXT;
    }
    current_context = context;
    return SUCCESS;
}

KV_DRIVER int cuCtxGetCurrent(void** context) {
    *context = current_context;
    return SUCCESS;
}

KV_DRIVER int cuCtxPushCurrent_v2(void* context) { return cuCtxSetCurrent(context); }

KV_DRIVER int cuCtxPopCurrent_v2(void** context) {
    if (context) {
        *context = current_context;
    }
    current_context = nullptr;
    return SUCCESS;
}

KV_DRIVER int cuCtxGetDevice(int* device) {
    *device = 0;
    return current_context ? SUCCESS : INVALID_CONTEXT;
}

KV_DRIVER int cuCtxSynchronize() {
    KV_USABLE
    if (const Result refused = refuse_while_capturing(); refused != SUCCESS) {
        return refused;
    }
    return run_everything();
}

KV_DRIVER int cuGetErrorName(int code, const char** name) {
    const ErrorName* found = find_error(code);
    *name = found ? found->name : nullptr;
    return found ? SUCCESS : INVALID_VALUE;
}

KV_DRIVER int cuGetErrorString(int code, const char** text) {
    const ErrorName* found = find_error(code);
    *text = found ? found->text : nullptr;
    if (found && code == machine().sticky && !machine().failure.empty()) {
        *text = machine().failure.c_str();    // what the emulator says is worth more than the name of the code
    }
    return found ? SUCCESS : INVALID_VALUE;
}

// ---- What tests ask of the fake alone.

/// Sets what the environment variable KVCHAT_FAKE_name would; null takes it back.
KV_DRIVER void kvchatFakeSet(const char* name, const char* value) {
    std::lock_guard<std::recursive_mutex> guard(machine().lock);
    if (value) {
        machine().settings[name] = value;
    } else {
        machine().settings.erase(name);
    }
}

/// A driver as freshly loaded: no context, no memory, no settings by kvchatFakeSet, no failure.
KV_DRIVER void kvchatFakeReset() {
    Machine& m = machine();
    std::lock_guard<std::recursive_mutex> guard(m.lock);
    forget_streams();
    forget_memory();
    forget_modules();
    m.settings.clear();
    m.initialized = false;
    m.retained = 0;
    m.sticky = SUCCESS;
    m.failure.clear();
    m.allocations = m.launches = 0;
    m.launches_of.clear();
    m.peak_bytes = 0;
}

/// Why the context broke, in the emulator's words; valid until the next call.
KV_DRIVER const char* kvchatFakeFailure() { return machine().failure.c_str(); }

KV_DRIVER long kvchatFakeLaunches(const char* kernel) {
    std::lock_guard<std::recursive_mutex> guard(machine().lock);
    if (!kernel) {
        return machine().launches;
    }
    const auto found = machine().launches_of.find(kernel);
    return found == machine().launches_of.end() ? 0 : found->second;
}

KV_DRIVER size_t kvchatFakeDeviceBytes() { return machine().device_bytes; }
KV_DRIVER size_t kvchatFakePeakDeviceBytes() { return machine().peak_bytes; }
KV_DRIVER long kvchatFakeDeviceAllocations() { return (long)machine().device.size(); }
KV_DRIVER long kvchatFakePinnedAllocations() { return (long)machine().pinned.size(); }
KV_DRIVER long kvchatFakeStreams() { return (long)machine().streams.size(); }
KV_DRIVER long kvchatFakeEvents() { return (long)machine().events.size(); }

/// For libraries that work on the fake device.
KV_DRIVER int kvchatFakeInDeviceMemory(DevicePointer address, size_t bytes) {
    std::lock_guard<std::recursive_mutex> guard(machine().lock);
    return in_device_memory(address, bytes);
}
