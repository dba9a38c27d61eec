#include "spikeloom/parallel/launcher.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <thread>

#include "spikeloom/parallel/c10d.h"
#include "spikeloom/parallel/error.h"
#include "spikeloom/parallel/group.h"
#include "spikeloom/parallel/pause.h"
#include "spikeloom/parallel/placement.h"

extern char** environ;

namespace spikeloom::parallel {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kLost = ParallelError::kLost;  // also of a process that was killed
constexpr int kInterrupted = 130;
constexpr double kPatienceSeconds = 10.0;

bool past(Clock::time_point start, double seconds) {
  return std::chrono::duration<double>(Clock::now() - start).count() > seconds;
}

std::string random_name() {
  std::random_device device;
  return std::to_string(device()) + std::to_string(device());
}

/// A process that was started, until it has ended.
struct Child {
  pid_t process = -1;
  int rank = 0;
  bool ended = false;
  int code = 0;
};

class Launcher {
 public:
  Launcher(const Launch& settings, const std::function<void(const std::string&)>& say)
      : settings_(settings), say_(say) {
    if (settings_.nodes > 1 && settings_.port == 0) {
      throw ConfigError(
          "several machines need a meeting point: --master HOST:PORT, with the address of machine 0 "
          "and a port that is free there");
    }
    address_towards(settings_.address, settings_.port);  // a wrong name is said at once
    store_ = settings_.node_rank == 0
                 ? Store::serve(settings_.address, settings_.port, settings_.timeout_seconds)
                 : Store::connect(settings_.address, settings_.port, settings_.timeout_seconds);
    job_ = store_->set_first("/launch/job", random_name());
    const std::string own = "/launch/node/" + std::to_string(settings_.node_rank),
                      mark = std::to_string(settings_.processes) + " " + random_name();
    if (store_->set_first(own, mark) != mark) {
      throw ConfigError("machine " + std::to_string(settings_.node_rank) +
                        " already has a launcher: give each machine another --node-rank");
    }
  }

  int run() {
    for (int attempt = 0;; ++attempt) {
      arrive(attempt);
      const int code = run_once(attempt);
      const bool again = code == kLost && attempt < settings_.restarts && !stopped();
      if (!again) return code;
      say_("starting all processes again (" + std::to_string(attempt + 1) + " of " +
           std::to_string(settings_.restarts) + " restarts)");
    }
  }

 private:
  bool stopped() const { return settings_.stop != nullptr && *settings_.stop; }

  // Launchers of all machines, for the same attempt; also counts the ranks before this machine's.
  void arrive(int attempt) {
    const std::string key = "/launch/attempt/" + std::to_string(attempt);
    store_->add(key, 1);
    const auto start = Clock::now();
    while (store_->add(key, 0) < settings_.nodes) {
      if (past(start, settings_.timeout_seconds)) {
        throw ParallelError("gave up waiting for the launchers of " + std::to_string(settings_.nodes) +
                            " machines: only " + std::to_string(store_->add(key, 0)) + " came within " +
                            std::to_string(static_cast<int>(settings_.timeout_seconds)) + " s");
      }
      if (stopped()) throw ParallelError("stopped while waiting for the launchers of the other machines");
      pause();
    }
    first_rank_ = world_ = 0;
    for (int node = 0; node < settings_.nodes; ++node) {
      const auto processes = store_->get("/launch/node/" + std::to_string(node));
      if (!processes)
        throw ConfigError("--node-rank must run from 0 to " + std::to_string(settings_.nodes - 1));
      if (node == settings_.node_rank) first_rank_ = world_;
      world_ += std::atoi(processes->c_str());
    }
  }

  std::vector<std::string> environment(int local, int attempt) const {
    std::vector<std::string> all;
    for (char** at = environ; *at != nullptr; ++at) all.emplace_back(*at);
    const auto set = [&](const std::string& name, const std::string& value) {
      for (std::string& entry : all) {
        if (entry.rfind(name + "=", 0) == 0) entry.clear();
      }
      all.push_back(name + "=" + value);
    };
    set("RANK", std::to_string(first_rank_ + local));
    set("LOCAL_RANK", std::to_string(local));
    set("WORLD_SIZE", std::to_string(world_));
    set("LOCAL_WORLD_SIZE", std::to_string(settings_.processes));
    set("GROUP_RANK", std::to_string(settings_.node_rank));
    set("MASTER_ADDR", settings_.address);
    set("MASTER_PORT", std::to_string(store_->port()));
    set("TORCHELASTIC_USE_AGENT_STORE", "True");
    set("TORCHELASTIC_RUN_ID", job_);
    set("TORCHELASTIC_RESTART_COUNT", std::to_string(attempt));
    const auto run = store_->get(kRunKey);
    if (attempt > 0 && run) set(kRestartedRun, *run);
    std::vector<std::string> kept;
    for (std::string& entry : all) {
      if (!entry.empty()) kept.push_back(std::move(entry));
    }
    return kept;
  }

  void start(int local, int attempt) {
    std::vector<std::string> words = settings_.command, variables = environment(local, attempt);
    std::vector<char*> argv, envp;
    for (std::string& word : words) argv.push_back(word.data());
    for (std::string& variable : variables) envp.push_back(variable.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    const pid_t parent = ::getpid(), process = ::fork();
    if (process < 0) throw Error(std::string("cannot start a process: ") + std::strerror(errno));
    if (process == 0) {
      // A group of its own: Ctrl-C reaches this launcher alone, which asks each to stop once. Nobody is left
      // behind when the launcher is killed.
      ::setpgid(0, 0);
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (::getppid() == parent) ::execve(settings_.program.c_str(), argv.data(), envp.data());
      ::_exit(127);
    }
    Child child;
    child.process = process;
    child.rank = first_rank_ + local;
    children_.push_back(child);
  }

  void signal_all(int signal) {
    for (const Child& child : children_) {
      if (!child.ended) ::kill(child.process, signal);
    }
  }

  int run_once(int attempt) {
    children_.clear();
    for (int local = 0; local < settings_.processes; ++local) start(local, attempt);
    int asked = 0;
    bool told_to_stop = false, failed = false;
    Clock::time_point since;
    while (true) {
      bool running = false;
      for (Child& child : children_) {
        if (child.ended) continue;
        int status = 0;
        if (::waitpid(child.process, &status, WNOHANG) != child.process) {
          running = true;
          continue;
        }
        child.ended = true;
        child.code = code_of(child, status, asked > 0, told_to_stop);
        // An interrupted training is saved by all.
        if (!failed && child.code != 0 && child.code != kInterrupted) {
          failed = true;
          since = Clock::now();
        }
      }
      if (!running) return code_of_all();
      if (stopped() && !told_to_stop) {
        told_to_stop = true;
        signal_all(SIGTERM);
      }
      // The others leave by themselves, with a line, unless they cannot.
      if (failed && past(since, kPatienceSeconds * (asked + 1)) && asked < 2) {
        signal_all(asked++ == 0 ? SIGTERM : SIGKILL);
      }
      pause();
    }
  }

  // Whoever ends first: what a rank found wrong counts more than that others were lost to it, that more than
  // an interruption, and of equals the lowest rank.
  int code_of_all() const {
    const auto weight = [](int code) {
      if (code == 0) return 0;
      return code == kInterrupted ? 1 : code == kLost ? 2 : 3;
    };
    int worst = 0;
    for (const Child& child : children_) {
      if (weight(child.code) > weight(worst)) worst = child.code;
    }
    return worst;
  }

  int code_of(const Child& child, int status, bool asked, bool told_to_stop) {
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    if (told_to_stop && WTERMSIG(status) == SIGTERM) return kInterrupted;  // had not begun
    if (!asked) {
      say_("rank " + std::to_string(child.rank) + " (process " + std::to_string(child.process) +
           ") was ended by signal " + std::to_string(WTERMSIG(status)) + " (" +
           ::strsignal(WTERMSIG(status)) + ")");
    }
    return kLost;
  }

  const Launch& settings_;
  const std::function<void(const std::string&)>& say_;
  std::unique_ptr<Store> store_;
  std::string job_;
  int first_rank_ = 0, world_ = 0;
  std::vector<Child> children_;
};

}  // namespace

int launch(const Launch& settings, const std::function<void(const std::string&)>& say) {
  return Launcher(settings, say).run();
}

}  // namespace spikeloom::parallel
