#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "spikeloom/report/page/page.h"
#include "spikeloom/watch/server.h"

namespace spikeloom::watch {

/// What a page shows of a run besides its folder (network, weights); called where a page is opened.
using DetailsOf = std::function<report::RunDetails(const report::RunRecord&)>;

/// The pages of the runs in some folders: "/" lists them, "/run/ID" shows one, each with "data" below it as
/// JSON. An ID is a hash of a run's path among the runs that were found: no path comes out of a request.
/// Folders are looked through, and files that changed are read, so seldom that this takes a twentieth of the
/// time at most. Used from one thread.
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
    Clock::time_point next_read;
  };

  static Stamp stamp_of(const std::string& path);
  void look_through();
  nlohmann::ordered_json list();
  Opened* open(const std::string& id);
  void read(Opened& opened, const std::string& path);

  std::vector<std::string> roots_;
  DetailsOf details_;
  std::map<std::string, Listed> runs_;  ///< by ID
  std::list<Opened> opened_;            ///< the last one used first
  Clock::time_point next_look_;
};

}  // namespace spikeloom::watch
