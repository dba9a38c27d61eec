#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/report/page/page.h"

namespace spikeloom::app {

struct RunDetailsRequest {
  std::string data_dir, split;  ///< "": see gather_details
  std::int64_t samples = 500;   ///< to run through the network; 0 = all of the part
  std::vector<std::int64_t> rasters;
  /// Fewer samples where these would take more than so many dense multiply-accumulates, but ten at least;
  /// 0: no limit.
  std::int64_t most_macs = 0;
  bool run_samples = true;  ///< false: nothing is run
  int threads = 1;
  const std::atomic<bool>* stop = nullptr;  ///< once it is true no more samples are run
};

/// What a page shows of a run besides its folder: network and weights from its model file (of a run that is
/// not finished the newer one of model and checkpoint), and what the network does with samples: of the test
/// part of a finished run that was tested, else of its validation part. What cannot be had becomes a note; a
/// split or samples that were asked for and are not there throw (ConfigError).
report::RunDetails gather_details(const report::RunRecord& run, const RunDetailsRequest& request);

}  // namespace spikeloom::app
