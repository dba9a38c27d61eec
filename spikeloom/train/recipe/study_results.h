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
  std::string folder;         ///< of the run
  std::string differing_key;  ///< kDiffers: the first key of the recipe that differs
  std::int64_t iterations = 0;
  double train_seconds = 0.0;  ///< of training alone, over all sessions
  int epochs = 0;
  std::optional<double> accuracy;  ///< in [0, 1], of the kept model; kDone only
  bool on_validation = false;      ///< `accuracy` is on the validation part: there is no test part
};

/// Reads the run of a cell in the study's folder. Throws FormatError or DataError if its files are damaged.
CellResult read_cell(const Study& study, const StudyCell& cell, const std::string& study_folder);

/// One place of the table, over the seeds.
struct StudyFigure {
  std::vector<double> values;  ///< of the runs that are done, in the metric's unit
  int expected = 0;            ///< how many seeds there are
  bool on_validation = false;  ///< at least one of them
  double mean() const;
  /// Half the distance between the largest and the smallest value; 0 for one value.
  double half_range() const;
};

/// [row][column] of Study::rows and Study::columns. `results`: one for each of study.cells.
std::vector<std::vector<StudyFigure>> gather(const Study& study, const std::vector<CellResult>& results);

/// A figure as text: "84.20 +- 0.15 (3)", "84.20", or "" where no run is done; unfinished seeds are shown as
/// "84.20 (1 of 3)".
std::string to_string(const StudyFigure& figure);

/// "%" or "s".
const char* unit_of(StudyMetric metric);

}  // namespace spikeloom::train
