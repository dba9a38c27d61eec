// The part of a training session that opens a run again: with its own data, settings and threads, or with
// changes that are said and noted.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/base/json_text.h"
#include "spikeloom/data/class_map.h"
#include "spikeloom/train/machine/environment_log.h"
#include "spikeloom/train/recipe/schedule.h"
#include "spikeloom/train/run/checkpoint.h"
#include "spikeloom/train/session/training_session.h"

namespace spikeloom::train {

std::optional<TrainingResult> TrainingSession::open_own_run() {
  folder_.emplace(RunFolder::open(request_.run_path));
  const std::string path = folder_->file("checkpoint.safetensors");
  recipe_before_ = read_model_info(path).recipe;
  check_unedited(recipe_before_, folder_->file("recipe.toml"));
  recipe_ = changed_recipe(recipe_before_, request_.changes);
  changes_ = recipe_changes(recipe_before_, recipe_);
  auto saved = load_checkpoint_state(path);
  resumed_optimizer_ = std::move(saved.optimizer_state);
  state_ = TrainingState::from_json(saved.state, path);
  const std::string result_path = folder_->file("result.json");
  if (state_.finished && std::filesystem::exists(result_path)) {
    auto result = result_from_json(read_text_file(result_path), result_path);
    // Of this very state: not of the run before it was made longer.
    if (!result.interrupted && result.iterations == state_.iteration) {
      reopen();
      if (state_.finished) {
        result.nothing_left = true;
        result.run_path = folder_->path();
        result.model_path = folder_->file("model.safetensors");
        return result;
      }
      keep_metrics_ = true;
    }
  }
  reopen();
  // What changed may leave nothing to train.
  if (!state_.finished && state_.batch == 0 && is_done(state_)) {
    state_.finished = true;
    state_.stopped_early = improves_no_more(state_) && state_.epoch < recipe_.training.epochs;
  }
  if (recorded_processes(folder_->file(kEnvironmentFile)) != ranks_.size()) {
    observer_.warned("the run began with " +
                     std::to_string(recorded_processes(folder_->file(kEnvironmentFile))) +
                     " processes and is resumed with " + std::to_string(ranks_.size()) +
                     ": its numbers will differ in their last digits from those of an uninterrupted run");
    return std::nullopt;
  }
  const std::string warning = resume_threads(recorded_threads(folder_->file(kEnvironmentFile)),
                                             request_.threads, available_processors())
                                  .warning;
  if (!warning.empty()) observer_.warned(warning);
  return std::nullopt;
}

void TrainingSession::reopen() {
  if (!state_.finished) return;
  TrainingState reopened = state_;
  reopened.finished = reopened.stopped_early = false;
  if (reopened.cut_batch > 0) {  // back into the epoch that max_iterations ended
    --reopened.epoch;
    reopened.batch = reopened.cut_batch;
    reopened.cut_batch = 0;
  }
  if (!is_done(reopened)) state_ = reopened;
}

bool TrainingSession::improves_no_more(const TrainingState& state) const {
  const int patience = recipe_.training.early_stopping_epochs;
  return patience > 0 && state.best_epoch >= 0 && state.epoch - 1 - state.best_epoch >= patience;
}

bool TrainingSession::is_done(const TrainingState& state) const {
  const TrainingSettings& training = recipe_.training;
  return state.epoch >= training.epochs ||
         (training.max_iterations > 0 && state.iteration >= training.max_iterations) ||
         improves_no_more(state);
}

void TrainingSession::check_data() {
  const auto now = data::fingerprint(splits_);
  if (request_.resume && !state_.data && ranks_.leads()) {
    const std::string path = folder_->file("checkpoint.safetensors");
    const std::vector<std::string> classes = read_model_info(path).class_names;
    if (classes != splits_.train->class_names()) {
      throw CheckpointError(path + ": was trained on the classes " + data::class_list(classes) +
                            ", the data in " + splits_.root + " has " +
                            data::class_list(splits_.train->class_names()));
    }
    observer_.warned(
        folder_->file("checkpoint.safetensors") +
        ": does not say on which data it was made (an older Spikeloom wrote it): whether they are "
        "these is not checked");
  } else if (request_.resume && state_.data) {
    changed_data_ = data::difference(*state_.data, now);
    if (!changed_data_.empty() && !request_.accept_changed_data) {
      throw DataError(splits_.root + ": holds other data than this run was trained on: " + changed_data_ +
                      "; put them back, name their place (--data-dir), or resume with these "
                      "(--accept-changed-data)");
    }
    if (!changed_data_.empty()) {
      observer_.warned("resumed with other data than before: " + changed_data_ +
                       "; the result is that of no single data set, and where the split depends on which "
                       "recordings there are, some that were trained on may be in the test part now");
    }
  }
  state_.data = now;
  share_fingerprint(now);
}

void TrainingSession::resume() {
  if (ranks_.leads()) load_parameters(folder_->file("checkpoint.safetensors"), *network_);
  state_.batch = std::min(state_.batch, batches_per_epoch_);  // fewer samples than before, which was accepted
  if (ranks_.leads())
    folder_->truncate_metrics(keep_metrics_ ? folder_->metrics_size() : state_.metrics_size);
}

void TrainingSession::note_changes() {
  if (!ranks_.leads()) return;
  if (!changes_.empty() || !changed_data_.empty()) {
    nlohmann::ordered_json settings = nlohmann::ordered_json::object();
    for (const RecipeChange& change : changes_) {
      settings[change.key] = {{"before", change.before}, {"after", change.after}};
    }
    nlohmann::ordered_json line = {{"kind", "resume"},
                                   {"epoch", state_.epoch + 1},
                                   {"iteration", state_.iteration},
                                   {"settings", settings}};
    if (!changed_data_.empty()) line["changed_data"] = changed_data_;
    const std::string text = json_text(line, -1, BadText::kReplace);
    note(text);
    state_.changes.push_back(text);
    const auto rate_of = [&](const Recipe& recipe) {
      return learning_rate_at(recipe.optimizer, recipe.schedule, recipe.training.epochs, batches_per_epoch_,
                              state_.iteration);
    };
    const bool asked_for = std::any_of(changes_.begin(), changes_.end(), [](const RecipeChange& change) {
      return change.key.rfind("schedule.", 0) == 0 || change.key == "optimizer.learning_rate";
    });
    if (!asked_for && rate_of(recipe_) != rate_of(recipe_before_)) {
      observer_.warned("the schedule depends on training.epochs: the learning rate continues at " +
                       std::to_string(rate_of(recipe_)) + " instead of " +
                       std::to_string(rate_of(recipe_before_)));
    }
  }
  // The test is begun once more: it was interrupted before its result was there.
  const bool tests_again = state_.finished && splits_.test != nullptr;
  if (tests_again) ++state_.test_reads;
  if (tests_again || !changes_.empty() || !changed_data_.empty()) save_checkpoint();
  const std::string recipe = folder_->file("recipe.toml");
  if (!changes_.empty() || !std::filesystem::exists(recipe)) write_text_file(recipe, to_toml(recipe_));
}

}  // namespace spikeloom::train
