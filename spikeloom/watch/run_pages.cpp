#include "spikeloom/watch/run_pages.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/json_text.h"
#include "spikeloom/report/run_folder.h"
#include "spikeloom/report/run_lock.h"

namespace spikeloom::watch {
namespace {

constexpr std::size_t kMostRuns = 2000, kMostOpened = 8;
constexpr std::chrono::milliseconds kSoonest{1000};
constexpr int kShare = 20;  // of the time that is not spent on reading

/// FNV-1a, 64 bits: names a run in an address; that it is one of those found is checked.
std::string id_of(const std::string& path) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return fmt::format("{:016x}", hash);
}

/// Time of the last change in nanoseconds, 0 of what is not there.
std::int64_t time_of(const std::string& path, std::int64_t* size = nullptr) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return 0;
  if (size != nullptr) *size = info.st_size;
  return std::int64_t{info.st_mtim.tv_sec} * 1000000000 + info.st_mtim.tv_nsec;
}

std::shared_ptr<const std::string> data_text(const nlohmann::ordered_json& json) {
  return std::make_shared<const std::string>(json_text(json, -1, BadText::kReplace));
}

std::shared_ptr<const std::string> page_text(const std::string& title, const nlohmann::ordered_json& data,
                                             const std::string& live) {
  return std::make_shared<const std::string>(report::make_page(title, data, live));
}

Response json_response(const std::shared_ptr<const std::string>& text) {
  return {200, "application/json", text};
}

Response page_response(const std::shared_ptr<const std::string>& text) {
  return {200, "text/html; charset=utf-8", text};
}

/// What tells whether a run's details are out of date: its files of weights, and whether it was tested.
std::string models_of(const report::RunRecord& run) {
  std::string text = run.test_accuracy ? "tested " : report::to_string(run.state);
  for (const char* name : {"/model.safetensors", "/checkpoint.safetensors"}) {
    std::int64_t size = -1;
    const std::int64_t time = time_of(run.path + name, &size);
    text += fmt::format("{} {} ", time, size);
  }
  return text;
}

}  // namespace

bool RunPages::Stamp::operator==(const Stamp& other) const {
  return metrics_size == other.metrics_size && metrics_time == other.metrics_time &&
         result_time == other.result_time && recipe_time == other.recipe_time && locked == other.locked;
}

RunPages::RunPages(std::vector<std::string> roots, DetailsOf details)
    : roots_(std::move(roots)),
      next_look_(Clock::now()),
      next_first_(next_look_),
      next_again_(next_look_),
      worker_(std::move(details)) {}

RunPages::Stamp RunPages::stamp_of(const std::string& path) {
  Stamp stamp;
  stamp.metrics_time = time_of(path + "/metrics.jsonl", &stamp.metrics_size);
  stamp.result_time = time_of(path + "/result.json");
  stamp.recipe_time = time_of(path + "/recipe.toml");
  stamp.locked = report::is_locked(path);
  return stamp;
}

void RunPages::look_through() {
  const auto begin = Clock::now();
  if (begin < next_look_) return;
  std::map<std::string, Listed> found;
  for (const std::string& root : roots_) {
    std::vector<std::string> paths;
    try {
      paths = report::find_runs(root, kMostRuns);
    } catch (const DataError&) {  // gone for now
    }
    for (const std::string& path : paths) {
      if (found.size() == kMostRuns) break;
      const std::string id = id_of(path);
      const auto known = runs_.find(id);
      Listed& listed = found[id];
      if (known != runs_.end()) listed = std::move(known->second);
      listed.path = path;
      const Stamp stamp = stamp_of(path);
      const auto now = Clock::now();
      if (known != runs_.end() && (listed.stamp == stamp || now < listed.next_read)) continue;
      try {
        listed.summary = report::read_run(path, {16});
      } catch (const Error&) {  // it went while it was read
        found.erase(id);
        continue;
      }
      auto& run = listed.summary;
      run.steps.clear();
      // The last epoch has the training accuracy, and how far the next one is.
      if (run.epochs.size() > 1) run.epochs.erase(run.epochs.begin(), run.epochs.end() - 1);
      run.recipe_text.clear();
      run.environment = nullptr;
      run.result = nullptr;
      listed.stamp = stamp;
      listed.next_read = Clock::now() + std::max<Clock::duration>(kSoonest, kShare * (Clock::now() - now));
    }
  }
  runs_ = std::move(found);
  list_page_ = list_data_ = nullptr;
  next_look_ = Clock::now() + std::max<Clock::duration>(kSoonest, kShare * (Clock::now() - begin));
}

nlohmann::ordered_json RunPages::list() const {
  std::vector<report::RunRecord> runs;
  std::vector<std::string> ids;
  for (const auto& [id, listed] : runs_) {
    runs.push_back(listed.summary);
    ids.push_back(id);
  }
  auto data = report::run_list_data(runs);
  for (std::size_t i = 0; i < ids.size(); ++i) data["runs"][i]["id"] = ids[i];
  data["is_whole"] = runs.size() < kMostRuns;
  std::sort(data["runs"].begin(), data["runs"].end(), [](const auto& a, const auto& b) {
    return a["path"].template get_ref<const std::string&>() <
           b["path"].template get_ref<const std::string&>();
  });
  return data;
}

void RunPages::read(Opened& opened, const std::string& path) {
  const Stamp stamp = stamp_of(path);
  const auto begin = Clock::now();
  if (!opened.run.path.empty() && (opened.stamp == stamp || begin < opened.next_read)) return;
  opened.run = report::read_run(path);
  opened.page = opened.data = nullptr;
  opened.stamp = stamp;
  opened.next_read = Clock::now() + std::max<Clock::duration>(kSoonest, kShare * (Clock::now() - begin));
}

void RunPages::refresh_details(Opened& opened) {
  const auto now = Clock::now();
  if (auto made = worker_.take()) {
    const std::chrono::duration<double> spent(made->cpu_seconds);
    // Somebody waits for the first ones; the others come as seldom as files are read.
    next_first_ = now + std::chrono::duration_cast<Clock::duration>(spent);
    next_again_ = now + std::chrono::duration_cast<Clock::duration>(kShare * spent);
    const auto of =
        std::find_if(opened_.begin(), opened_.end(), [&](const Opened& one) { return one.id == made->id; });
    if (of != opened_.end()) {
      of->details = std::move(made->details);
      of->page = of->data = nullptr;
    }
  }
  const std::string models = models_of(opened.run);
  if (models == opened.models || now < (opened.models.empty() ? next_first_ : next_again_)) return;
  if (worker_.begin(opened.id, opened.run)) opened.models = models;
}

RunPages::Opened* RunPages::open(const std::string& id) {
  const auto listed = runs_.find(id);
  if (listed == runs_.end()) return nullptr;
  auto at = std::find_if(opened_.begin(), opened_.end(), [&](const Opened& one) { return one.id == id; });
  if (at == opened_.end()) {
    Opened opened;
    opened.id = id;
    read(opened, listed->second.path);
    opened.details.notes.emplace_back("The network and what it does with samples follow in a moment.");
    opened_.push_front(std::move(opened));
    if (opened_.size() > kMostOpened) opened_.pop_back();
  } else {
    opened_.splice(opened_.begin(), opened_, at);
    read(opened_.front(), listed->second.path);
  }
  refresh_details(opened_.front());
  return &opened_.front();
}

Response RunPages::answer(const std::string& path) {
  look_through();
  if (path == "/") {
    if (!list_page_) list_page_ = page_text("Runs - Spikeloom", list(), "/data");
    return page_response(list_page_);
  }
  if (path == "/data") {
    if (!list_data_) list_data_ = data_text(list());
    return json_response(list_data_);
  }
  const std::string prefix = "/run/", suffix = "/data";
  constexpr std::size_t kIdLength = 16;
  if (path.rfind(prefix, 0) == 0) {
    const std::string id = path.substr(prefix.size(), kIdLength),
                      rest = path.substr(prefix.size() + id.size());
    Opened* const opened = rest.empty() || rest == suffix ? open(id) : nullptr;
    if (opened != nullptr && rest.empty()) {
      if (!opened->page) {
        opened->page = page_text(opened->run.name + " - Spikeloom",
                                 report::run_page_data(opened->run, opened->details), prefix + id + suffix);
      }
      return page_response(opened->page);
    }
    if (opened != nullptr) {
      if (!opened->data) opened->data = data_text(report::run_page_data(opened->run, opened->details));
      return json_response(opened->data);
    }
  }
  return text_response(404, "There is no such page; / lists the runs");
}

}  // namespace spikeloom::watch
