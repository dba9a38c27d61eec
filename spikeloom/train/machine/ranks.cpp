#include "spikeloom/train/machine/ranks.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/version.h"
#include "spikeloom/data/content_hash.h"
#include "spikeloom/parallel/error.h"
#include "spikeloom/train/machine/environment_log.h"

namespace spikeloom::train {
namespace {

std::string text_of(const data::ContentHash& hash) {
  return fmt::format("{:016x}{:016x}", hash.high, hash.low);
}

/// The program and our libraries that it has loaded.
std::string program_hash() {
  std::set<std::string> files{"/proc/self/exe"};
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const std::size_t path = line.find('/');
    if (path != std::string::npos && line.find("/libspikeloom", path) != std::string::npos) {
      files.insert(line.substr(path));
    }
  }
  std::vector<std::string> hashes;  // where they lie does not matter
  for (const std::string& file : files) hashes.push_back(text_of(data::hash_file(file)));
  std::sort(hashes.begin(), hashes.end());
  std::string all;
  for (const std::string& hash : hashes) all += hash;
  return text_of(data::hash_text(all));
}

/// Of the machine, whatever container or name a process has, and of the processors that it may use.
std::string place() {
  std::string machine, mask;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> machine;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) mask += CPU_ISSET(i, &set) != 0 ? '1' : '0';
  }
  return machine + " " + mask;
}

}  // namespace

std::string Ranks::share(const std::string& text, const std::string& what) const {
  return alone() ? text : group_->share(text, what);
}

void Ranks::share(std::vector<float>& values, const std::string& what) const {
  if (alone()) return;
  group_->control().broadcast(values.data(), static_cast<std::int64_t>(values.size() * sizeof(float)), what);
}

bool Ranks::any(bool own, const std::string& what) const { return alone() ? own : group_->any(own, what); }

void Ranks::add(std::vector<double>& values, const std::string& what) const {
  if (alone()) return;
  group_->control().all_reduce(values.data(), static_cast<std::int64_t>(values.size()), what);
}

void Ranks::meet(const std::string& what) const {
  if (!alone()) group_->meet(what);
}

void Ranks::alive() const {
  if (!alone()) group_->alive();
}

void Ranks::check_program() const {
  if (alone()) return;
  const auto versions = group_->gather(kVersion, "versions of the programs");
  const auto hashes = group_->gather(program_hash(), "hashes of the programs");
  for (std::size_t i = 1; i < hashes.size(); ++i) {
    if (hashes[i] == hashes[0]) continue;
    const bool same = versions[i] == versions[0];
    throw ConfigError(
        fmt::format("rank {} runs {} {}, rank 0 {}: all need the same build of the same version", i,
                    same ? "another build of Spikeloom" : "Spikeloom", versions[i],
                    same ? "a different one" : versions[0]));
  }
}

void Ranks::check_recipe(const std::string& toml) const {
  if (alone()) return;
  const auto texts = group_->gather(toml, "the recipes");
  for (std::size_t i = 1; i < texts.size(); ++i) {
    if (texts[i] == texts[0]) continue;
    std::istringstream first(texts[0]), other(texts[i]);
    std::string wanted, got;
    do {
      wanted.clear();
      got.clear();
      std::getline(first, wanted);
      std::getline(other, got);
    } while (wanted == got);
    throw ConfigError(
        fmt::format("rank {} has another recipe than rank 0: '{}' instead of '{}'", i, got, wanted));
  }
}

void Ranks::check_equal(const void* bytes, std::size_t count, const std::string& what) const {
  if (alone()) return;
  const auto hashes = group_->gather(text_of(data::hash_bytes(bytes, count)), what);
  for (std::size_t i = 1; i < hashes.size(); ++i) {
    if (hashes[i] == hashes[0]) continue;
    throw ParallelError(
        fmt::format("{} of rank {} are not those of rank 0: a machine computes wrongly, or with "
                    "another library (environment.json); resume from the last checkpoint",
                    what, i));
  }
}

int Ranks::processors() const {
  const int own = available_processors();
  if (alone()) return own;
  const auto places = group_->gather(place(), "the processors of each");
  const auto sharing = std::count(places.begin(), places.end(), places[static_cast<std::size_t>(rank())]);
  return std::max(1, own / static_cast<int>(sharing));
}

}  // namespace spikeloom::train
