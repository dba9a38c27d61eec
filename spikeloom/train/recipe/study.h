#pragma once
// A study: one network trained several times, with settings that vary along a row and a column axis, as in a
// table of a paper (docs/studies.md). Only the definition: spikeloom/train/recipe/study_results.h reads what
// its runs gave.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::train {

/// What a study's table shows of a run.
enum class StudyMetric {
  kAccuracy,  ///< percent right on the test part, or on the validation part where there is no test part
  kError,     ///< 100 - accuracy
  kSecondsPerEpoch,  ///< training alone: no validation, no test
  /// Percent of a test sample's votes that its own class gets, mean over the classes that have votes; with
  /// the matrix of all classes (EvaluationResult::vote_shares).
  kVotes,
};

/// One value of an axis.
struct StudyPoint {
  std::string label;
  std::string recipe;                  ///< a recipe file in place of the study's base, or ""
  std::vector<std::string> overrides;  ///< "network.num_steps=4"
};

/// Full: as the study says. Small: with the study's [small] settings, for a machine that lacks the data or
/// the days; seeds, base and points of an axis may be others.
enum class StudyScale { kFull, kSmall };

/// One training of a study.
struct StudyCell {
  std::size_t row = 0, column = 0;  ///< positions in Study::rows and Study::columns
  std::uint64_t seed = 1;
  Recipe recipe;       ///< resolved
  std::string folder;  ///< of the run, below the study's folder: "T-4_CIFARNet_seed-1"
};

struct Study {
  std::string name;    ///< the file's name without folder and ".toml"
  std::string title;   ///< one line
  std::string source;  ///< where the reference figures come from, or ""
  StudyMetric metric = StudyMetric::kAccuracy;
  std::string row_name;  ///< heading of the rows: "T"
  std::vector<StudyPoint> rows, columns;
  std::vector<std::uint64_t> seeds;
  /// Reference figures in the metric's unit, [row][column]; empty where the source gives none.
  std::vector<std::vector<std::optional<double>>> reference;
  StudyScale scale = StudyScale::kFull;
  std::string scale_note;  ///< what kSmall changes, in words; "" for kFull
  /// Each combination of row, column and seed: rows outermost, seeds innermost.
  std::vector<StudyCell> cells;
};

/// Reads a study (docs/studies.md) and resolves the recipe of each of its cells. Throws ConfigError with
/// file, line and key: not TOML, an unknown key, axes of unequal lengths, two points with one label, no
/// [small] table for StudyScale::kSmall, a recipe that cannot be used; DataError if a file cannot be read.
Study load_study(const std::string& path, StudyScale scale);

/// "full" or "small".
const char* to_string(StudyScale scale);

}  // namespace spikeloom::train
