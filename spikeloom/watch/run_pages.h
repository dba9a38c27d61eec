#pragma once
#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/report/page/page.h"
#include "spikeloom/watch/details_worker.h"
#include "spikeloom/watch/server.h"

namespace spikeloom::watch {

/// The pages of the runs in some folders: "/" lists them, "/run/ID" shows one, each with "data" below it as
/// JSON. An ID is a hash of a run's path among the runs that were found: no path comes out of a request.
/// Folders are looked through, files that changed are read, and details are made again of a model that
/// changed, so seldom that each takes a twentieth of the time at most; requests in between get what was made
/// last. Memory: the last eight runs that were looked at, and one model while it is looked into. Used from
/// one thread.
class RunPages {
 public:
  RunPages(std::vector<std::string> roots, DetailsOf details);

  Response answer(const std::string& path);

 private:
  using Clock = std::chrono::steady_clock;
  /// What tells whether a run's files changed.
  struct Stamp {
    std::int64_t metrics_size = -1, metrics_time = 0, result_time = 0, recipe_time = 0;
    bool locked = false;
    bool operator==(const Stamp& other) const;
  };
  struct Listed {
    std::string path;
    Stamp stamp;
    report::RunRecord summary;  ///< without points and texts
    Clock::time_point next_read;
  };
  /// A run that somebody looks at.
  struct Opened {
    std::string id;
    Stamp stamp;
    report::RunRecord run;
    report::RunDetails details;
    std::string models;  ///< which files the details are of; "" before the first
    Clock::time_point next_read;
    std::shared_ptr<const std::string> page, data;  ///< of what is above; null: to be made
  };

  static Stamp stamp_of(const std::string& path);
  void look_through();
  nlohmann::ordered_json list() const;
  Opened* open(const std::string& id);
  void read(Opened& opened, const std::string& path);
  /// Takes the details that are there, and asks for those of this run where its model changed.
  void refresh_details(Opened& opened);

  std::vector<std::string> roots_;
  std::map<std::string, Listed> runs_;                        ///< by ID
  std::list<Opened> opened_;                                  ///< the last one used first
  std::shared_ptr<const std::string> list_page_, list_data_;  ///< of runs_; null: to be made
  Clock::time_point next_look_;
  Clock::time_point next_first_, next_again_;  ///< before them no details are asked for
  DetailsWorker worker_;
};

}  // namespace spikeloom::watch
