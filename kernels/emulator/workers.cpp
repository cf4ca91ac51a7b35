// The kernels that are linked in, and the OS threads that run their blocks.
#include "scheduler.h"
#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <thread>

namespace kv::emulator {
namespace {
std::map<std::string, Kernel>& kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}

void run_blocks(Launch& launch) {
    static thread_local std::unique_ptr<Worker> kept;
    if (!kept) {
        kept = std::make_unique<Worker>();
        catch_faults(*kept);
    }
    Worker& w = *kept;
    set_worker(&w);
    w.launch = &launch;
    w.failure.clear();
    w.random.seed((unsigned)launch.order + 7);
    prepare_memory(w, launch.block.volume(), launch.shared_bytes);
    const size_t total = launch.grid.volume();
    for (size_t index; (index = launch.next++) < total;) {
        run_block(w, index);
        if (!w.failure.empty()) {
            std::lock_guard<std::mutex> lock(launch.failing);
            if (launch.failure.empty()) {
                launch.failure = w.failure;
            }
            launch.next = total;
        }
    }
}

/// OS threads that outlive launches. Never destroyed: the process may end while they sleep.
class Pool {
public:
    void run(Launch& launch, int workers) {
        std::lock_guard<std::mutex> one_at_a_time(running_);
        std::unique_lock<std::mutex> lock(state_);
        while ((int)threads_.size() < workers) {
            const int number = (int)threads_.size();
            threads_.emplace_back([this, number] { serve(number); });
        }
        launch_ = &launch;
        wanted_ = workers;
        busy_ = workers;
        generation_++;
        start_.notify_all();
        done_.wait(lock, [this] { return busy_ == 0; });
        launch_ = nullptr;
    }

private:
    void serve(int number) {
        unsigned seen = 0;
        std::unique_lock<std::mutex> lock(state_);
        for (;;) {
            start_.wait(lock, [&] { return launch_ && generation_ != seen; });
            seen = generation_;
            if (number >= wanted_) {
                continue;
            }
            Launch& launch = *launch_;
            lock.unlock();
            run_blocks(launch);
            lock.lock();
            if (--busy_ == 0) {
                done_.notify_one();
            }
        }
    }

    std::mutex running_, state_;
    std::condition_variable start_, done_;
    std::vector<std::thread> threads_;
    Launch* launch_ = nullptr;
    int wanted_ = 0, busy_ = 0;
    unsigned generation_ = 0;
};

Pool& pool() {
    static Pool* const only = new Pool;
    return *only;
}
}

namespace {
/// The barrier or wait that KVCHAT_EMULATOR_SKIP names, and how often it was left out.
struct LeftOut {
    std::string place;
    std::atomic<long> times{0};
    LeftOut() {
        const char* given = getenv("KVCHAT_EMULATOR_SKIP");
        place = given ? given : "";
    }
    ~LeftOut() {
        if (!place.empty()) {
            fprintf(stderr, "%s was left out %ld times\n", place.c_str(), times.load());
        }
    }
};
LeftOut left_out;

/// Names of the kernels that ran, appended to the file that KVCHAT_EMULATOR_RAN names, so that one can see which never did.
struct Ran {
    std::set<std::string> names;
    std::mutex lock;
    ~Ran() {
        const char* file = getenv("KVCHAT_EMULATOR_RAN");
        FILE* target = file ? fopen(file, "a") : nullptr;
        for (const std::string& name : names) {
            if (target) {
                fprintf(target, "%s\n", name.c_str());
            }
        }
        if (target) {
            fclose(target);
        }
    }
};
Ran ran;
}

bool is_left_out(Site site) {
    if (left_out.place.empty() || to_string(site) != left_out.place) {
        return false;
    }
    left_out.times++;
    return true;
}

void add_kernel(const Kernel& kernel) { kernels()[kernel.name] = kernel; }

const Kernel* find_kernel(const std::string& name) {
    const auto found = kernels().find(name);
    return found == kernels().end() ? nullptr : &found->second;
}

std::string launch(const Kernel& kernel, const void* arguments, Extent grid, Extent block, size_t shared_bytes, const Options& options) {
    {
        std::lock_guard<std::mutex> guard(ran.lock);
        ran.names.insert(kernel.name);
    }
    Launch run;
    run.kernel = &kernel;
    run.arguments = arguments;
    run.grid = grid;
    run.block = block;
    run.shared_bytes = shared_bytes;
    run.order = options.order;
    const int cores = std::max(1, (int)std::thread::hardware_concurrency());
    const int wanted = hooks.block_starts ? 1 : options.workers > 0 ? options.workers : std::min(4, cores);
    pool().run(run, (int)std::min<size_t>((size_t)wanted, std::max<size_t>(1, grid.volume())));
    return run.failure;
}
}
