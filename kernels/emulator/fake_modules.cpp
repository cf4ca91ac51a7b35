// Modules, functions and launches. The PTX that is really shipped is read for entries, argument sizes and bounds; the launch itself
// runs the same source on the emulator.
#include "fake_driver.h"
#include "emulator.h"
#include <cstring>
#include <regex>

namespace kv::driver {
namespace {
struct Function {
    std::string name;
    size_t argument_bytes = 0;
    int most_threads = 1024, most_shared = 48 << 10;
    const emulator::Kernel* kernel = nullptr;
};

struct Module {
    std::map<std::string, Function> functions;
};

std::map<Module*, std::unique_ptr<Module>> modules;

/// The options of a load that say where compiler messages go.
struct Messages {
    char* text = nullptr;
    size_t bytes = 0;
    void say(const std::string& message) const {
        if (text && bytes > 0) {
            const size_t used = message.size() < bytes - 1 ? message.size() : bytes - 1;
            memcpy(text, message.data(), used);
            text[used] = 0;
        }
    }
};

Messages read_options(unsigned count, const int* options, void** values) {
    Messages messages;
    for (unsigned i = 0; i < count; i++) {
        if (options[i] == 5) {
            messages.text = (char*)values[i];
        } else if (options[i] == 6) {
            messages.bytes = (size_t)values[i];
        }
    }
    return messages;
}

/// A driver of CUDA 11.n reads PTX up to 7.n, one of 12.n up to 8.n.
int newest_readable_ptx() {
    const int version = (int)number_setting("DRIVER_VERSION", 12040);
    return (version / 1000 - 4) * 10 + version % 1000 / 10;
}

int capability() {
    int major = 8, minor = 0;
    sscanf(setting("CAPABILITY", "8.0").c_str(), "%d.%d", &major, &minor);
    return major * 10 + minor;
}

Result check_header(const std::string& ptx, const Messages& messages) {
    std::smatch found;
    if (!std::regex_search(ptx, found, std::regex("\\.version (\\d+)\\.(\\d+)\\s+\\.target sm_(\\d+)"))) {
        messages.say("The image has no .version and .target lines.");
        return INVALID_IMAGE;
    }
    const int version = std::stoi(found[1]) * 10 + std::stoi(found[2]);
    if (version > newest_readable_ptx()) {
        messages.say("PTX " + found[1].str() + "." + found[2].str() + " is newer than this driver.");
        return UNSUPPORTED_PTX_VERSION;
    }
    if (std::stoi(found[3]) > capability()) {
        messages.say("The target sm_" + found[3].str() + " is newer than this device.");
        return NO_BINARY_FOR_GPU;
    }
    return SUCCESS;
}

Result read_entry(const std::string& ptx, size_t at, Function& function, const Messages& messages) {
    const size_t open = ptx.find('(', at), close = ptx.find("\n)", at), body = ptx.find('{', at);
    if (open == std::string::npos || close == std::string::npos || body == std::string::npos) {
        messages.say("An entry is cut off.");
        return INVALID_PTX;
    }
    function.name = ptx.substr(at, open - at);
    const std::string parameters = ptx.substr(open, close - open), bounds = ptx.substr(close, body - close);
    std::smatch found;
    if (!std::regex_search(parameters, found, std::regex("\\.param \\.align \\d+ \\.b8 \\w+\\[(\\d+)\\]"))) {
        messages.say("The entry " + function.name + " does not take one struct by value.");
        return INVALID_PTX;
    }
    function.argument_bytes = std::stoul(found[1]);
    if (std::regex_search(bounds, found, std::regex("\\.maxntid (\\d+)"))) {
        function.most_threads = std::stoi(found[1]);
    }
    function.kernel = emulator::find_kernel(function.name);
    if (!function.kernel || function.kernel->argument_bytes != function.argument_bytes) {
        messages.say("The entry " + function.name + (function.kernel
            ? " takes " + std::to_string(function.argument_bytes) + " bytes in the PTX and "
                + std::to_string(function.kernel->argument_bytes) + " in the sources."
            : " is not among the kernels that this driver was built with."));
        return INVALID_PTX;
    }
    return SUCCESS;
}

Result load(void** handle, const char* image, const Messages& messages) {
    const std::string ptx(image);
    if (const Result fault = check_header(ptx, messages); fault != SUCCESS) {
        return fault;
    }
    auto made = std::make_unique<Module>();
    const std::string mark = ".visible .entry ";
    for (size_t at = 0; (at = ptx.find(mark, at)) != std::string::npos;) {
        at += mark.size();
        Function function;
        if (const Result fault = read_entry(ptx, at, function, messages); fault != SUCCESS) {
            return fault;
        }
        made->functions[function.name] = function;
    }
    *handle = made.get();
    Module* const key = made.get();
    modules[key] = std::move(made);
    return SUCCESS;
}

Result classify(const std::string& failure) {
    if (failure.find("multiple of") != std::string::npos) {
        return MISALIGNED_ADDRESS;
    }
    return failure.find("touches memory") != std::string::npos ? ILLEGAL_ADDRESS : LAUNCH_FAILED;
}

Result run_launch(const Function& function, const std::vector<char>& arguments, emulator::Extent grid, emulator::Extent block, size_t shared) {
    Machine& m = machine();
    m.launches_of[function.name]++;
    if (++m.launches == number_setting("FAIL_LAUNCH", 0)) {
        return break_context(LAUNCH_FAILED, function.name + ": failed because KVCHAT_FAKE_FAIL_LAUNCH asked for it.");
    }
    emulator::Options options;
    options.order = (int)number_setting("ORDER", 0);
    options.workers = (int)number_setting("WORKERS", 0);
    const std::string failure = emulator::launch(*function.kernel, arguments.data(), grid, block, shared, options);
    return failure.empty() ? SUCCESS : break_context(classify(failure), failure);
}

bool launchable(const Function& f, emulator::Extent grid, emulator::Extent block, size_t shared) {
    return grid.volume() > 0 && block.volume() > 0 && grid.x <= 2147483647u && grid.y <= 65535 && grid.z <= 65535
        && block.x <= 1024 && block.y <= 1024 && block.z <= 64 && block.volume() <= (size_t)f.most_threads
        && shared <= (size_t)f.most_shared;
}

Function* find_function(void* handle) {
    for (const auto& [module, owner] : modules) {
        for (auto& [name, function] : module->functions) {
            if (&function == handle) {
                return &function;
            }
        }
    }
    return nullptr;
}
}

void forget_modules() { modules.clear(); }
}

using namespace kv::driver;

KV_DRIVER int cuModuleLoadDataEx(void** module, const void* image, unsigned count, int* options, void** values) {
    KV_USABLE
    return module && image ? load(module, (const char*)image, read_options(count, options, values)) : INVALID_VALUE;
}

KV_DRIVER int cuModuleLoadData(void** module, const void* image) { return cuModuleLoadDataEx(module, image, 0, nullptr, nullptr); }

KV_DRIVER int cuModuleUnload(void* module) {
    KV_USABLE
    const Result ran = run_everything();
    return modules.erase((Module*)module) ? ran : INVALID_HANDLE;
}

KV_DRIVER int cuModuleGetFunction(void** function, void* module, const char* name) {
    KV_USABLE
    const auto found = modules.find((Module*)module);
    if (found == modules.end()) {
        return INVALID_HANDLE;
    }
    const auto named = found->second->functions.find(name);
    if (named == found->second->functions.end()) {
        return NOT_FOUND;
    }
    *function = &named->second;
    return SUCCESS;
}

KV_DRIVER int cuFuncGetAttribute(int* value, int attribute, void* handle) {
    KV_USABLE
    const Function* function = find_function(handle);
    if (!function) {
        return INVALID_HANDLE;
    }
    switch (attribute) {
        case 0: *value = function->most_threads; return SUCCESS;
        case 1: case 2: case 3: *value = 0; return SUCCESS;             // static shared, constant and local bytes
        case 4: *value = 64; return SUCCESS;                            // registers
        case 5: *value = 70; return SUCCESS;                            // PTX version
        case 6: *value = 80; return SUCCESS;                            // binary version
        case 7: case 9: *value = 0; return SUCCESS;                     // cache mode, preferred carve-out
        case 8: *value = function->most_shared; return SUCCESS;
        default: return INVALID_VALUE;
    }
}

KV_DRIVER int cuFuncSetAttribute(void* handle, int attribute, int value) {
    KV_USABLE
    Function* function = find_function(handle);
    if (!function || (attribute != 8 && attribute != 9)) {
        return function ? INVALID_VALUE : INVALID_HANDLE;
    }
    if (attribute == 8) {
        if (value < 0 || value > number_setting("SHARED_OPTIN", 163 << 10)) {
            return INVALID_VALUE;
        }
        function->most_shared = value;
    }
    return SUCCESS;
}

KV_DRIVER int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void* handle, int threads, size_t shared) {
    KV_USABLE
    if (!find_function(handle) || threads < 1) {
        return INVALID_VALUE;
    }
    const size_t by_shared = shared ? (size_t)(164 << 10) / (shared + 1024) : 32, by_threads = 2048u / (unsigned)threads;
    *blocks = (int)(by_shared < by_threads ? by_shared : by_threads);
    return SUCCESS;
}

KV_DRIVER int cuLaunchKernel(void* handle, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
    unsigned block_z, unsigned shared, void* stream_handle, void** parameters, void** extra) {
    KV_USABLE
    const Function* found = find_function(handle);
    Stream* stream = find_stream(stream_handle);
    if (!found || !stream) {
        return INVALID_HANDLE;
    }
    const kv::emulator::Extent grid{grid_x, grid_y, grid_z}, block{block_x, block_y, block_z};
    if (extra || !parameters || !parameters[0] || !launchable(*found, grid, block, shared)) {
        return INVALID_VALUE;
    }
    const char* given = (const char*)parameters[0];
    std::vector<char> arguments(given, given + found->argument_bytes);
    return enqueue(*stream, [function = *found, arguments = std::move(arguments), grid, block, shared] {
        return run_launch(function, arguments, grid, block, shared);
    });
}
