// What the parts of the fake driver share. The real driver's entry points are in fake_device.cpp (devices, contexts, errors, faults),
// fake_memory.cpp, fake_streams.cpp (streams, events), fake_graphs.cpp and fake_modules.cpp (PTX, functions, launches).
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#define KV_DRIVER extern "C" __attribute__((visibility("default")))

namespace kv::driver {
typedef uint64_t DevicePointer;

/// The error codes of the driver API that are given out here.
enum Result : int {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    NO_BINARY_FOR_GPU = 209,
    INVALID_PTX = 218,
    UNSUPPORTED_PTX_VERSION = 222,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    LAUNCH_OUT_OF_RESOURCES = 701,
    MISALIGNED_ADDRESS = 716,
    LAUNCH_FAILED = 719,
    NOT_SUPPORTED = 801,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
    CAPTURE_UNMATCHED = 903,
    CAPTURE_UNJOINED = 904,
    CAPTURE_ISOLATION = 905,
};

struct Stream;

/// A point in a stream's order of work: reached when so many of its operations have run.
struct Point {
    Stream* stream;
    uint64_t position;
};

struct Operation {
    std::function<Result()> run;
    std::vector<Point> after;
};

struct Graph {
    std::vector<std::function<Result()>> operations;
};

/// Work waits here until somebody synchronises: whoever reads a result too early reads what was there before.
struct Stream {
    bool blocks_with_legacy = true;
    std::deque<Operation> pending;
    uint64_t queued = 0, executed = 0;
    std::shared_ptr<Graph> capture;
    bool capture_origin = false, capture_global = false, capture_invalid = false;
    uint64_t captured = 0, joined = 0;      ///< operations put into the capture, and how many of them others wait for
    std::vector<Point> waits;
};

struct Event {
    bool recorded = false, timed = true;
    Point point{};
    double milliseconds = 0;
    std::shared_ptr<Graph> capture;
    Stream* captured_from = nullptr;
    uint64_t captured = 0;
};

struct Allocation {
    size_t bytes;
    char* mapping;
    size_t mapping_bytes;
};

/// The whole machine: one lock, since nothing here is there to be fast beside the kernels.
struct Machine {
    std::recursive_mutex lock;
    std::map<std::string, std::string> settings;
    bool initialized = false;
    int retained = 0;
    Result sticky = SUCCESS;
    std::string failure;
    std::map<DevicePointer, Allocation> device, pinned, adopted;
    std::map<uintptr_t, size_t> registered;
    size_t device_bytes = 0, peak_bytes = 0;
    long allocations = 0, launches = 0;
    std::map<std::string, long> launches_of;
    Stream legacy;
    std::map<Stream*, std::unique_ptr<Stream>> streams;
    std::map<Event*, std::unique_ptr<Event>> events;
};

Machine& machine();

/// A setting KVCHAT_FAKE_name: what kvchatFakeSet gave, else the environment's, else the default.
std::string setting(const char* name, const char* otherwise);
long number_setting(const char* name, long otherwise);

/// Success when the driver is initialised, a context is current on this thread and no launch has failed.
Result usable();

/// Notes what broke the context; every later call answers with it, as on a GPU.
Result break_context(Result result, const std::string& why);

/// The stream behind a handle; null handles name the legacy stream. Null when there is none such.
Stream* find_stream(void* handle);

inline bool capturing(const Stream& stream) { return stream.capture != nullptr; }

/// Appends work to a stream, or to the graph that the stream is captured into.
Result enqueue(Stream& stream, std::function<Result()> work);
Result run_until(Stream& stream, uint64_t position);
Result run_everything();
Result refuse_while_capturing();

bool in_device_memory(DevicePointer address, size_t bytes);
bool in_pinned_memory(const void* address, size_t bytes);
std::string describe_address(DevicePointer address, size_t bytes);
void forget_memory();
void forget_streams();
void forget_graphs();
void forget_modules();
}

#define KV_USABLE                                                                                                             \
    std::lock_guard<std::recursive_mutex> guard(kv::driver::machine().lock);                                                  \
    if (const kv::driver::Result unusable = kv::driver::usable(); unusable != kv::driver::SUCCESS) {                          \
        return unusable;                                                                                                      \
    }
