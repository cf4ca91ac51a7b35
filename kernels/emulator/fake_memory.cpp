// Device memory, pinned memory, pools and copies. Every allocation starts as NaN and ends near a page that must not be touched;
// copies are checked against what is allocated.
#include "fake_driver.h"
#include <sys/mman.h>
#include <algorithm>
#include <cstring>

namespace kv::driver {
namespace {
constexpr size_t PAGE = 4096, ALIGNMENT = 256;
char default_pool;

/// Maps memory whose end, rounded up to 256 bytes, lies before a guard page.
bool map(size_t bytes, Allocation& made, char*& start) {
    const size_t used = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, pages = (used + PAGE - 1) / PAGE * PAGE;
    void* mapping = mmap(nullptr, pages + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) {
        return false;
    }
    mprotect((char*)mapping + pages, PAGE, PROT_NONE);
    made = {bytes, (char*)mapping, pages + PAGE};
    start = (char*)mapping + pages - used;
    memset(start, 0xff, used);
    return true;
}

/// Bytes between an allocation's end and the next multiple of 256 must still be what they were made.
bool tail_is_intact(DevicePointer start, const Allocation& a) {
    const unsigned char* end = (const unsigned char*)(start + a.bytes);
    for (; (uintptr_t)end % ALIGNMENT != 0; end++) {
        if (*end != 0xff) {
            return false;
        }
    }
    return true;
}

bool within(const std::map<DevicePointer, Allocation>& all, DevicePointer address, size_t bytes) {
    auto found = all.upper_bound(address);
    if (found == all.begin()) {
        return false;
    }
    --found;
    return address - found->first <= found->second.bytes && bytes <= found->second.bytes - (address - found->first);
}

Result allocate(DevicePointer* address, size_t bytes) {
    Machine& m = machine();
    if (bytes == 0 || !address) {
        return INVALID_VALUE;
    }
    const long failing = number_setting("FAIL_ALLOCATION", 0);
    const bool fits = number_setting("SPILLS", 0) != 0 || m.device_bytes + bytes <= (size_t)number_setting("MEMORY", 4L << 30);
    if (++m.allocations == failing || !fits) {
        return OUT_OF_MEMORY;
    }
    Allocation made;
    char* start;
    if (!map(bytes, made, start)) {
        return OUT_OF_MEMORY;
    }
    *address = (DevicePointer)start;
    m.device[*address] = made;
    m.device_bytes += bytes;
    m.peak_bytes = m.device_bytes > m.peak_bytes ? m.device_bytes : m.peak_bytes;
    return SUCCESS;
}

Result release(DevicePointer address) {
    Machine& m = machine();
    const auto found = m.device.find(address);
    if (found == m.device.end()) {
        return INVALID_VALUE;
    }
    const bool intact = tail_is_intact(address, found->second);
    const size_t bytes = found->second.bytes;
    munmap(found->second.mapping, found->second.mapping_bytes);
    m.device_bytes -= bytes;
    m.device.erase(found);
    return intact ? SUCCESS
        : break_context(ILLEGAL_ADDRESS, "An allocation of " + std::to_string(bytes) + " bytes was written behind its end.");
}

Result copy(void* target, const void* source, size_t bytes, bool to_device, bool from_device) {
    if (to_device && !in_device_memory((DevicePointer)target, bytes)) {
        return break_context(ILLEGAL_ADDRESS, "A copy writes " + describe_address((DevicePointer)target, bytes));
    }
    if (from_device && !in_device_memory((DevicePointer)source, bytes)) {
        return break_context(ILLEGAL_ADDRESS, "A copy reads " + describe_address((DevicePointer)source, bytes));
    }
    memmove(target, source, bytes);
    return SUCCESS;
}

/// A copy that is over when the call returns: behind everything on the legacy stream.
Result copy_now(void* target, const void* source, size_t bytes, bool to_device, bool from_device) {
    if ((to_device && !in_device_memory((DevicePointer)target, bytes)) || (from_device && !in_device_memory((DevicePointer)source, bytes))) {
        return INVALID_VALUE;
    }
    Stream& legacy = machine().legacy;
    if (const Result refused = refuse_while_capturing(); refused != SUCCESS) {
        return refused;
    }
    const Result queued = enqueue(legacy, [=] { return copy(target, source, bytes, to_device, from_device); });
    return queued != SUCCESS ? queued : run_until(legacy, legacy.queued);
}

/// A copy in stream order. Pinned memory is read and written when the copy's turn comes; other memory as the real driver does:
/// staged at once when it is the source, waited for when it is the target.
Result copy_later(void* target, const void* source, size_t bytes, bool to_device, bool from_device, void* handle) {
    Stream* stream = find_stream(handle);
    if (!stream) {
        return INVALID_HANDLE;
    }
    if ((to_device && !in_device_memory((DevicePointer)target, bytes)) || (from_device && !in_device_memory((DevicePointer)source, bytes))) {
        return INVALID_VALUE;
    }
    if (to_device && !from_device && !in_pinned_memory(source, bytes)) {
        if (stream->capture) {
            stream->capture_invalid = true;
            return CAPTURE_UNSUPPORTED;
        }
        const auto staged = std::make_shared<std::vector<char>>((const char*)source, (const char*)source + bytes);
        return enqueue(*stream, [=] { return copy(target, staged->data(), bytes, true, false); });
    }
    const bool waits = from_device && !to_device && !in_pinned_memory(target, bytes);
    if (waits && stream->capture) {
        stream->capture_invalid = true;
        return CAPTURE_UNSUPPORTED;
    }
    const Result queued = enqueue(*stream, [=] { return copy(target, source, bytes, to_device, from_device); });
    return queued == SUCCESS && waits ? run_until(*stream, stream->queued) : queued;
}

template <class T> Result fill(DevicePointer target, T value, size_t count, void* handle, bool now) {
    Stream* stream = find_stream(handle);
    if (!stream) {
        return INVALID_HANDLE;
    }
    if (target % sizeof(T) != 0 || !in_device_memory(target, count * sizeof(T))) {
        return INVALID_VALUE;
    }
    const Result queued = enqueue(*stream, [=]() -> Result {
        if (!in_device_memory(target, count * sizeof(T))) {
            return break_context(ILLEGAL_ADDRESS, "A fill writes " + describe_address(target, count * sizeof(T)));
        }
        for (size_t i = 0; i < count; i++) {
            ((T*)target)[i] = value;
        }
        return SUCCESS;
    });
    return queued == SUCCESS && now ? run_until(*stream, stream->queued) : queued;
}
}

bool in_device_memory(DevicePointer address, size_t bytes) {
    return within(machine().device, address, bytes) || within(machine().pinned, address, bytes)
        || within(machine().adopted, address, bytes);
}

bool in_pinned_memory(const void* address, size_t bytes) {
    if (within(machine().pinned, (DevicePointer)address, bytes)) {
        return true;
    }
    auto found = machine().registered.upper_bound((uintptr_t)address);
    if (found == machine().registered.begin()) {
        return false;
    }
    --found;
    return (uintptr_t)address + bytes <= found->first + found->second;
}

std::string describe_address(DevicePointer address, size_t bytes) {
    std::string text = std::to_string(bytes) + " bytes at " + std::to_string(address) + ", which is not within one allocation";
    auto found = machine().device.upper_bound(address);
    if (found != machine().device.begin()) {
        --found;
        text += "; the one before starts " + std::to_string(address - found->first) + " bytes earlier and has "
            + std::to_string(found->second.bytes);
    }
    return text + ".";
}

void forget_memory() {
    Machine& m = machine();
    for (auto* all : {&m.device, &m.pinned}) {
        for (const auto& [address, a] : *all) {
            munmap(a.mapping, a.mapping_bytes);
        }
        all->clear();
    }
    m.registered.clear();
    m.device_bytes = 0;
}
}

using namespace kv::driver;

/// Host memory of a library beside the driver stands for device memory from now on: it can be copied from and to, and kernels may touch it.
KV_DRIVER void kvchatFakeAdopt(DevicePointer address, size_t bytes) {
    std::lock_guard<std::recursive_mutex> guard(machine().lock);
    machine().adopted[address] = {bytes, nullptr, 0};
}

/// It does so no longer: its owner frees it.
KV_DRIVER void kvchatFakeAbandon(DevicePointer address) {
    std::lock_guard<std::recursive_mutex> guard(machine().lock);
    machine().adopted.erase(address);
}

KV_DRIVER long kvchatFakeAdopted() { return (long)machine().adopted.size(); }

KV_DRIVER int cuMemGetInfo_v2(size_t* free, size_t* total) {
    KV_USABLE
    *total = (size_t)number_setting("MEMORY", 4L << 30);
    *free = *total - std::min(*total, machine().device_bytes);
    return SUCCESS;
}

KV_DRIVER int cuMemAlloc_v2(DevicePointer* address, size_t bytes) {
    KV_USABLE
    const Result refused = refuse_while_capturing();
    return refused != SUCCESS ? refused : allocate(address, bytes);
}

KV_DRIVER int cuMemFree_v2(DevicePointer address) {
    KV_USABLE
    if (address == 0) {
        return SUCCESS;
    }
    if (const Result refused = refuse_while_capturing(); refused != SUCCESS) {
        return refused;
    }
    const Result ran = run_everything();
    return ran != SUCCESS ? ran : release(address);
}

KV_DRIVER int cuMemAllocAsync(DevicePointer* address, size_t bytes, void* handle) {
    KV_USABLE
    Stream* stream = find_stream(handle);
    if (!stream) {
        return INVALID_HANDLE;
    }
    return stream->capture ? NOT_SUPPORTED : allocate(address, bytes);
}

KV_DRIVER int cuMemAllocFromPoolAsync(DevicePointer* address, size_t bytes, void* pool, void* handle) {
    return pool ? cuMemAllocAsync(address, bytes, handle) : INVALID_VALUE;
}

KV_DRIVER int cuMemFreeAsync(DevicePointer address, void* handle) {
    KV_USABLE
    Stream* stream = find_stream(handle);
    if (!stream || stream->capture) {
        return stream ? NOT_SUPPORTED : INVALID_HANDLE;
    }
    if (machine().device.find(address) == machine().device.end()) {
        return INVALID_VALUE;
    }
    return enqueue(*stream, [=] { return release(address); });
}

KV_DRIVER int cuDeviceGetDefaultMemPool(void** pool, int) {
    *pool = &default_pool;
    return SUCCESS;
}
KV_DRIVER int cuMemPoolCreate(void** pool, const void*) {
    *pool = new char;
    return SUCCESS;
}
KV_DRIVER int cuMemPoolDestroy(void* pool) {
    delete (char*)pool;
    return SUCCESS;
}
KV_DRIVER int cuMemPoolSetAttribute(void* pool, int, void*) { return pool ? SUCCESS : INVALID_VALUE; }
KV_DRIVER int cuMemPoolTrimTo(void* pool, size_t) { return pool ? SUCCESS : INVALID_VALUE; }

KV_DRIVER int cuMemHostAlloc(void** address, size_t bytes, unsigned) {
    KV_USABLE
    Allocation made;
    char* start;
    if (bytes == 0 || !map(bytes, made, start)) {
        return bytes == 0 ? INVALID_VALUE : OUT_OF_MEMORY;
    }
    *address = start;
    machine().pinned[(DevicePointer)start] = made;
    return SUCCESS;
}

KV_DRIVER int cuMemAllocHost_v2(void** address, size_t bytes) { return cuMemHostAlloc(address, bytes, 0); }

KV_DRIVER int cuMemHostGetDevicePointer_v2(DevicePointer* device, void* host, unsigned) {
    KV_USABLE
    *device = (DevicePointer)host;
    return in_pinned_memory(host, 1) ? SUCCESS : INVALID_VALUE;
}

KV_DRIVER int cuMemFreeHost(void* address) {
    KV_USABLE
    const auto found = machine().pinned.find((DevicePointer)address);
    if (found == machine().pinned.end()) {
        return INVALID_VALUE;
    }
    const Result ran = run_everything();
    const bool intact = tail_is_intact(found->first, found->second);
    munmap(found->second.mapping, found->second.mapping_bytes);
    machine().pinned.erase(found);
    return intact ? ran : break_context(ILLEGAL_ADDRESS, "Pinned memory was written behind its end.");
}

KV_DRIVER int cuMemHostRegister_v2(void* address, size_t bytes, unsigned) {
    KV_USABLE
    machine().registered[(uintptr_t)address] = bytes;
    return SUCCESS;
}

KV_DRIVER int cuMemHostUnregister(void* address) {
    KV_USABLE
    return machine().registered.erase((uintptr_t)address) ? SUCCESS : INVALID_VALUE;
}

KV_DRIVER int cuMemcpyHtoD_v2(DevicePointer target, const void* source, size_t bytes) {
    KV_USABLE
    return copy_now((void*)target, source, bytes, true, false);
}
KV_DRIVER int cuMemcpyDtoH_v2(void* target, DevicePointer source, size_t bytes) {
    KV_USABLE
    return copy_now(target, (const void*)source, bytes, false, true);
}
KV_DRIVER int cuMemcpyDtoD_v2(DevicePointer target, DevicePointer source, size_t bytes) {
    KV_USABLE
    return copy_now((void*)target, (const void*)source, bytes, true, true);
}
KV_DRIVER int cuMemcpyHtoDAsync_v2(DevicePointer target, const void* source, size_t bytes, void* stream) {
    KV_USABLE
    return copy_later((void*)target, source, bytes, true, false, stream);
}
KV_DRIVER int cuMemcpyDtoHAsync_v2(void* target, DevicePointer source, size_t bytes, void* stream) {
    KV_USABLE
    return copy_later(target, (const void*)source, bytes, false, true, stream);
}
KV_DRIVER int cuMemcpyDtoDAsync_v2(DevicePointer target, DevicePointer source, size_t bytes, void* stream) {
    KV_USABLE
    return copy_later((void*)target, (const void*)source, bytes, true, true, stream);
}
KV_DRIVER int cuMemsetD8_v2(DevicePointer target, unsigned char value, size_t count) {
    KV_USABLE
    return fill<uint8_t>(target, value, count, nullptr, true);
}
KV_DRIVER int cuMemsetD32_v2(DevicePointer target, unsigned value, size_t count) {
    KV_USABLE
    return fill<uint32_t>(target, value, count, nullptr, true);
}
KV_DRIVER int cuMemsetD8Async(DevicePointer target, unsigned char value, size_t count, void* stream) {
    KV_USABLE
    return fill<uint8_t>(target, value, count, stream, false);
}
KV_DRIVER int cuMemsetD32Async(DevicePointer target, unsigned value, size_t count, void* stream) {
    KV_USABLE
    return fill<uint32_t>(target, value, count, stream, false);
}
