#include "app/eval_command.h"

#include <memory>

#include "app/commands.h"
#include "app/training/commands.h"

namespace spikeloom::app {
namespace {

/// Options that do not apply are told before LibTorch is loaded.
int start_eval(const EvalOptions& options) {
  if (is_nir_file(options.request.model)) {
    refuse_given(options.of_models, "a NIR graph");
  } else {
    refuse_given(options.of_nir, "a model of Spikeloom");
  }
  return run_eval(options);
}

}  // namespace

void add_eval(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<EvalOptions>();
  auto* command = program.add_subcommand(
      "eval", "Accuracy of a trained network on a split of its data set, or on other data");
  auto& request = options->request;
  command->add_option("model", request.model, "Run folder, model file, checkpoint or NIR graph (.nir)")
      ->required()
      ->type_name("RUN_OR_MODEL");
  command->add_option("--split", request.split, "train, validation or test")
      ->capture_default_str()
      ->type_name("NAME");
  command
      ->add_option("--dataset", options->dataset,
                   "Another data set, of the same shape, instead of the recipe's")
      ->type_name("NAME");
  command
      ->add_option("--folder", options->folder,
                   "Another folder of your own data (data.folder) instead of the recipe's")
      ->type_name("PATH");
  command
      ->add_option("--steps", options->steps,
                   "Another number of time steps instead of the recipe's; of a NIR graph, "
                   "how many each sample takes (default: to its last event)")
      ->check(CLI::Range(1, 4096));
  options->of_models.push_back(
      command
          ->add_option(
              "--set", request.overrides,
              "Override a key of [data] or network.num_steps, e.g. data.window_us=10000; may be repeated")
          ->type_name("KEY=VALUE")
          ->allow_extra_args(false));
  options->of_models.push_back(command
                                   ->add_option("--class-map", request.class_map,
                                                "Which class of the data is which of the model, where names "
                                                "differ: 'a=b,c=d', or a file with one a=b on each line")
                                   ->type_name("MAP"));
  options->of_models.push_back(
      command
          ->add_option("--predictions", options->predictions,
                       "Write label, prediction and votes of each sample to FILE (csv)")
          ->type_name("FILE")
          ->check(not_empty()));
  options->of_models.push_back(
      command->add_option("--confusion", options->confusion, "Write the confusion matrix to FILE (csv)")
          ->type_name("FILE")
          ->check(not_empty()));
  options->of_models.push_back(
      command
          ->add_option("--vote-shares", options->vote_shares,
                       "Write the mean share of the votes of each class, by true class, to FILE (csv)")
          ->type_name("FILE")
          ->check(not_empty()));
  command->add_option("--device", request.device, "cpu, cuda or cuda:N (docs/gpu.md)")->capture_default_str();
  command
      ->add_option(
          "--data-dir", request.data_dir,
          "Folder that holds the data sets, the only one looked in (default: SPIKELOOM_DATA_DIR, ./data)")
      ->type_name("DIR")
      ->check(not_empty());
  options->of_models.push_back(
      command->add_option("--batch", request.batch_size, "Samples at a time (default: the recipe's)")
          ->check(CLI::Range(1, 1 << 20)));
  command->add_option("--limit", request.limit, "Only the first N samples")->check(CLI::Range(1, 1 << 30));
  command->add_option("--threads", options->threads, "Threads (default: all)")->check(CLI::Range(1, 1024));
  options->of_nir = add_nir_options(*command, options->nir);
  command->add_flag("--json", options->json, "Print JSON; accuracy is a fraction of 1");
  command->footer(
      "With --dataset or --folder, the recipe's split and limits have their defaults unless --set gives "
      "them.\n"
      "Classes are matched by their names.");
  command->callback([options, &chosen] { chosen = [options] { return start_eval(*options); }; });
}

}  // namespace spikeloom::app
