#pragma once
// What the runs of a study gave so far: states, figures, and the table that sums them up.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/train/recipe/study.h"

namespace spikeloom::train {

enum class CellState {
  kMissing,  ///< no run folder, or one without a checkpoint
  kStopped,  ///< begun, can be resumed
  kDone,
  kDiffers,  ///< a run with other settings than the study's now
};

/// What the folder of one cell holds.
struct CellResult {
  CellState state = CellState::kMissing;
  std::string folder;         ///< of the run, which may be another study's
  std::string differing_key;  ///< kDiffers: the first key of the recipe that differs
  std::int64_t iterations = 0;
  double train_seconds = 0.0;  ///< of training alone, over all sessions
  int epochs = 0;
  std::optional<double> accuracy;        ///< in [0, 1], of the kept model; kDone only
  bool on_validation = false;            ///< `accuracy` is on the validation part: there is no test part
  bool simulated = false;                ///< the data is simulated recordings
  std::vector<std::string> class_names;  ///< of vote_shares; as many
  std::vector<std::vector<double>> vote_shares;  ///< [label][class], or empty: TrainingResult::vote_shares
};

/// The finished runs of all studies that write below one folder: what two tables have in common is trained
/// once.
class FinishedRuns {
 public:
  /// Looks at out/STUDY/SCALE/RUN. Runs that cannot be read do not count.
  explicit FinishedRuns(const std::string& out);
  /// The folder of a run of this recipe, whatever its name and description; "" if there is none.
  std::string find(const Recipe& recipe) const;

 private:
  struct Run {
    std::string folder;
    Recipe recipe;
  };
  std::vector<Run> runs_;
};

/// Reads the run of a cell in the study's folder, or, where that has none, in another study's (not for
/// StudyMetric::kSecondsPerEpoch, since times are comparable within a study only). Throws FormatError or
/// DataError if its files are damaged.
CellResult read_cell(const Study& study, const StudyCell& cell, const std::string& study_folder,
                     const FinishedRuns* others = nullptr);

/// One place of the table, over the seeds.
struct StudyFigure {
  std::vector<double> values;  ///< of the runs that are done, in the metric's unit
  int expected = 0;            ///< how many seeds there are
  bool on_validation = false;  ///< at least one of them
  bool simulated = false;      ///< likewise
  double mean() const;
  /// Half the distance between the largest and the smallest value; 0 for one value.
  double half_range() const;
};

/// [row][column] of Study::rows and Study::columns. `results`: one for each of study.cells.
std::vector<std::vector<StudyFigure>> gather(const Study& study, const std::vector<CellResult>& results);

/// The confusion of votes at one place of the table: the mean over the seeds that are done.
struct StudyVotes {
  int runs = 0;  ///< that have one
  std::vector<std::string> class_names;
  std::vector<std::vector<double>> shares;  ///< [label][class], in [0, 1]
};

/// [row][column], likewise. Runs with other classes than the first at their place do not count.
std::vector<std::vector<StudyVotes>> gather_votes(const Study& study, const std::vector<CellResult>& results);

/// A figure as text: "84.20 +- 0.15 (3)", "84.20", or "" where no run is done; unfinished seeds are shown as
/// "84.20 (1 of 3)".
std::string to_string(const StudyFigure& figure);

/// "%" or "s".
const char* unit_of(StudyMetric metric);

}  // namespace spikeloom::train
