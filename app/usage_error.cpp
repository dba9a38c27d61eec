#include "app/usage_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "app/commands.h"
#include "app/help_formatter.h"
#include "spikeloom/base/text.h"
#include "spikeloom/config/table.h"
#include "spikeloom/config/toml.h"
#include "spikeloom/train/recipe/recipe.h"
#include "spikeloom/train/recipe/recipe_checks.h"

namespace spikeloom::app {
namespace {

using Words = std::vector<std::string>;

/// The program and the subcommands that were named, outermost first.
std::vector<const CLI::App*> named_commands(const CLI::App& program) {
  std::vector<const CLI::App*> chain{&program};
  while (true) {
    const auto named = chain.back()->get_subcommands();
    if (named.empty()) return chain;
    chain.push_back(named.front());
  }
}

bool is_option(const std::string& word) { return word.size() > 1 && word[0] == '-'; }

/// The nearest candidates: those that continue the word or that it continues, then those of almost its
/// spelling.
Words near(const std::string& word, const Words& candidates) {
  constexpr std::size_t kShown = 3, kShortest = 4;
  Words found;
  for (const auto& candidate : candidates) {
    const bool continues = starts_with(candidate, word) || starts_with(word, candidate);
    if (continues && std::min(word.size(), candidate.size()) >= kShortest) found.push_back(candidate);
  }
  for (const auto& candidate : config::nearest_all(word, candidates)) {
    if (std::find(found.begin(), found.end(), candidate) == found.end()) found.push_back(candidate);
  }
  found.resize(std::min(found.size(), kShown));
  return found;
}

std::string did_you_mean(const Words& words) {
  if (words.empty()) return "";
  return fmt::format("; did you mean {}?", fmt::join(words, " or "));
}

Words option_names(const CLI::App& command) {
  Words names;
  for (const auto* option : command.get_options()) {
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

Words command_names(const CLI::App& command) {
  Words names;
  for (const auto* one : command.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(one->get_name());
  }
  return names;
}

/// "training.epochs" for "epochs": the keys of a recipe that end so, or the one that is also called so.
Words recipe_keys(const std::string& last) {
  Words found;
  std::istringstream lines(train::to_toml(train::Recipe()));
  std::string line, section;
  while (std::getline(lines, line)) {
    if (starts_with(line, "[")) section = line.substr(1, line.find(']') - 1) + ".";
    if (starts_with(line, last + " =")) found.push_back(section + last);
  }
  const std::string meant = found.empty() ? train::recipe_key_called(last) : "";
  if (!meant.empty()) found.push_back(meant);
  return found;
}

/// What an evaluation has for a recipe's key; it changes nothing else (EvaluationRequest::overrides).
std::string in_evaluation(const std::string& key, const std::string& value) {
  if (key == "training.batch_size") return "--batch";
  const bool may_change = starts_with(key, "data.") || key == "network.num_steps";
  return may_change ? fmt::format("--set {}={}", key, value) : "";
}

std::string unknown_option(const CLI::App& command, const std::string& word) {
  const std::size_t equals = word.find('=');
  const std::string name = word.substr(0, equals);
  const std::string value = equals == std::string::npos ? "VALUE" : word.substr(equals + 1);
  Words candidates = near(name, option_names(command));
  if (command.get_option_no_throw("--set") != nullptr) {
    std::string key = name.substr(name.find_first_not_of('-'));
    std::replace(key.begin(), key.end(), '-', '_');
    for (const auto& whole : recipe_keys(key)) {
      const bool evaluates = command.get_name() == "eval";
      const std::string meant =
          evaluates ? in_evaluation(whole, value) : fmt::format("--set {}={}", whole, value);
      if (meant == "--batch") candidates.clear();
      if (!meant.empty()) candidates.insert(candidates.begin(), meant);
    }
  }
  return fmt::format("unknown option '{}'{}", name, did_you_mean(candidates));
}

std::string unknown_word(const CLI::App& command, const std::string& word) {
  const Words commands = command_names(command);
  if (!commands.empty()) {
    const Words nearest = near(word, commands);
    return fmt::format("unknown command '{}'{}", word,
                       nearest.empty() ? fmt::format("; the commands are {}", fmt::join(commands, ", "))
                                       : did_you_mean(nearest));
  }
  const bool assignment = word.find('=') != std::string::npos;
  if (assignment && command.get_option_no_throw("--set") != nullptr) {
    return fmt::format("unexpected argument '{}'; did you mean --set {}?", word, word);
  }
  return fmt::format("unexpected argument '{}'", word);
}

/// The first word that nobody took, said of the command that it was given to; "" if there is none.
std::string unknown(const std::vector<const CLI::App*>& chain) {
  for (const auto* command : chain) {
    const auto rest = command->remaining();
    const auto option = std::find_if(rest.begin(), rest.end(), is_option);
    const auto word = std::find_if_not(rest.begin(), rest.end(), is_option);
    // After a command that is misspelt all options are unknown.
    const bool is_command = word != rest.end() && !command_names(*command).empty();
    if (option != rest.end() && *option != "--" && !is_command) return unknown_option(*command, *option);
    if (word != rest.end()) return unknown_word(*command, *word);
  }
  return "";
}

/// A message that begins with CLI11's name of an argument, with the name that --help gives it instead.
std::string with_placeholder(const CLI::App& command, const std::string& text) {
  for (const auto* option : command.get_options()) {
    if (!option->get_positional()) continue;
    const std::string name = option->get_name(true);
    const bool begins = starts_with(text, name + " ") || starts_with(text, name + ":");
    if (begins) return placeholder(*option) + text.substr(name.size());
  }
  return text;
}

/// CLI11's message in plainer words.
std::string plain(const CLI::App& command, const CLI::ParseError& error) {
  const std::string text = with_placeholder(command, error.what());
  const std::string name = error.get_name();
  const std::string option = text.substr(0, text.find(':'));
  if (name == "ArgumentMismatch" && starts_with(text, "--")) {
    const auto* known = command.get_option_no_throw(option);
    const std::string value = known != nullptr ? known->get_type_name() : "";
    return fmt::format("{} needs a value{}", option, value.empty() ? "" : ": " + option + " " + value);
  }
  const std::string could_not = "Could not convert: ";
  const std::size_t equals = text.find(" = ");
  if (name == "ConversionError" && starts_with(text, could_not) && equals != std::string::npos) {
    return fmt::format("{}: '{}' is not a valid number",
                       text.substr(could_not.size(), equals - could_not.size()), text.substr(equals + 3));
  }
  if (name == "RequiredError" && starts_with(text, "A subcommand")) {
    return fmt::format("say what to do: {}", fmt::join(command_names(command), " or "));
  }
  const std::string value = ": Value ";
  const std::size_t at = text.find(value);
  if (name == "ValidationError" && at != std::string::npos) {
    std::string rest = text.substr(at + value.size());
    const std::string range = " not in range ";
    const std::size_t in = rest.find(range);
    if (in != std::string::npos) {
      return fmt::format("{} must be from {}, not {}", option, rest.substr(in + range.size()),
                         rest.substr(0, in));
    }
  }
  return text;
}

}  // namespace

std::string command_path(const CLI::App& program) {
  std::string path;
  for (const auto* command : named_commands(program)) path += (path.empty() ? "" : " ") + command->get_name();
  return path;
}

std::string usage_error(const CLI::App& program, const CLI::ParseError& error) {
  const auto chain = named_commands(program);
  const std::string word = unknown(chain);  // it may be why something required is missing
  return fmt::format("{} (see {} --help)", word.empty() ? plain(*chain.back(), error) : word,
                     command_path(program));
}

std::string option_error(const CLI::App& program, const ConfigError& error) {
  const std::string message = error.what();
  if (!error.file().empty() || error.key().empty()) return message;
  // "data.folder" has the option --folder where a command has one.
  std::string option = "--" + error.key().substr(error.key().rfind('.') + 1);
  std::replace(option.begin(), option.end(), '_', '-');
  const std::string start = "key '" + error.key() + "': ";
  const CLI::App& command = *named_commands(program).back();
  if (command.get_option_no_throw(option) == nullptr || !starts_with(message, start)) return message;
  return fmt::format("{}: {} (see {} --help)", option, message.substr(start.size()), command_path(program));
}

void refuse_said_twice(const std::vector<std::string>& overrides, const std::string& section,
                       const std::string& key, const std::string& option) {
  config::Toml document = config::Toml::parse_string("", "--set");
  for (const std::string& assignment : overrides) document.apply_override(assignment);
  if (!document.root().table(section).has(key)) return;
  throw ConfigError(
      fmt::format("{} and --set {}.{} are the same setting: give one of them", option, section, key));
}

CLI::Validator not_empty() {
  return CLI::Validator(
      [](const std::string& value) { return value.empty() ? std::string("is empty") : std::string(); }, "");
}

}  // namespace spikeloom::app
