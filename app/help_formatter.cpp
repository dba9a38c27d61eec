#include "app/help_formatter.h"

#include <fmt/format.h>

#include <sstream>

namespace spikeloom::app {
namespace {

constexpr std::size_t kWidth = 80;
constexpr std::size_t kColumn = 26;  // where explanations begin

std::string beside(const std::string& name, const std::string& explanation) {
  std::string text = "  " + name;
  if (text.size() + 2 > kColumn) {
    text += "\n" + std::string(kColumn, ' ');
  } else {
    text.append(kColumn - text.size(), ' ');
  }
  return text + wrapped(explanation, kColumn, kWidth) + "\n";
}

/// The text with `note` in brackets at its end, in the brackets that may be there.
std::string noted(std::string text, const std::string& note) {
  if (text.empty() || text.back() != ')') return text + " (" + note + ")";
  text.pop_back();
  return text + "; " + note + ")";
}

}  // namespace

std::string placeholder(const CLI::Option& option) {
  std::string type = option.get_type_name();
  type = type.substr(0, type.find(':'));  // "INT:INT in [1 - 1024]"
  if (type == "TEXT") type = "VALUE";
  if (type == "INT" || type == "UINT") type = "N";
  if (type == "FLOAT") type = "NUMBER";
  const bool says_so = type.find("...") != std::string::npos;
  return option.get_positional() && option.get_expected_max() > 1 && !says_so ? type + " ..." : type;
}

std::string wrapped(const std::string& text, std::size_t indent, std::size_t width) {
  std::string result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!result.empty()) result += "\n" + std::string(indent, ' ');
    // A line that fits is kept as it is: it may be laid out by blanks.
    if (indent + line.size() <= width) {
      result += line;
      continue;
    }
    std::istringstream words(line);
    std::size_t column = indent;
    for (std::string word; words >> word;) {
      if (column > indent && column + 1 + word.size() > width) {
        result += "\n" + std::string(indent, ' ');
        column = indent;
      }
      result += (column > indent ? " " : "") + word;
      column += word.size() + (column > indent ? 1 : 0);
    }
  }
  return result;
}

HelpFormatter::HelpFormatter() {
  label("Positionals", "Arguments");
  column_width(kColumn);
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  const std::string type = placeholder(*option);
  std::string name = is_positional ? type : option->get_name(false, true);
  if (is_positional && name.empty()) name = option->get_name(true);
  if (!is_positional && !type.empty()) name += " " + type;
  std::string explanation = option->get_description();
  if (option->get_required()) explanation = noted(explanation, "required");
  const std::string value = option->get_default_str();
  if (!value.empty() && value != "\"\"") {
    explanation = noted(explanation, "default: " + value);
  }
  return beside(name, explanation);
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  return beside(command->get_name(), command->get_description());
}

std::string HelpFormatter::make_description(const CLI::App* command) const {
  return wrapped(command->get_description(), 0, kWidth) + "\n\n";
}

std::string HelpFormatter::make_footer(const CLI::App* command) const {
  const std::string footer = command->get_footer();
  return footer.empty() ? "" : wrapped(footer, 0, kWidth) + "\n";
}

std::string HelpFormatter::make_usage(const CLI::App* command, std::string name) const {
  std::string usage = "Usage: " + name;
  for (const auto* option : command->get_options()) {
    if (option->get_positional()) continue;
    if (option->get_required())
      usage += fmt::format(" {} {}", option->get_name(false, false), placeholder(*option));
  }
  usage += " [OPTIONS]";
  for (const auto* option : command->get_options()) {
    if (!option->get_positional()) continue;
    const std::string type = placeholder(*option);
    usage += " " + (option->get_required() || type.front() == '[' ? type : "[" + type + "]");
  }
  if (!command->get_subcommands([](const CLI::App*) { return true; }).empty()) {
    usage += command->get_require_subcommand_min() > 0 ? " COMMAND" : " [COMMAND]";
  }
  return wrapped(usage, 2, kWidth) + "\n";
}

std::string help_of_all(const CLI::App& app, const std::string& before) {
  const std::string name = (before.empty() ? "" : before + " ") + app.get_name();
  std::string text = fmt::format("==== {} ====\n\n{}\n", name, app.help(before));
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    text += help_of_all(*command, name);
  }
  return text;
}

}  // namespace spikeloom::app
