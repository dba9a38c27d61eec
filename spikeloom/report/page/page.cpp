#include "spikeloom/report/page/page.h"

#include "spikeloom/base/json_text.h"
#include "spikeloom/formats/html_text.h"
#include "spikeloom/report/page/drawing.h"
#include "spikeloom/report/page/embedded.h"

namespace spikeloom::report {
namespace {

/// JSON that may stand in a script element: '<' is only ever inside of strings.
std::string script_safe(const nlohmann::ordered_json& data) {
  const std::string text = json_text(data, -1, BadText::kReplace);
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    if (c == '<') {
      result += "\\u003c";
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace

std::string make_page(const std::string& title, const nlohmann::ordered_json& data, const std::string& live) {
  // Nothing is loaded from anywhere, whatever the data says.
  const std::string policy = std::string(
                                 "default-src 'none'; script-src 'unsafe-inline'; style-src "
                                 "'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'") +
                             (live.empty() ? "" : "; connect-src 'self'");
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"" +
      formats::html_escaped(policy) + "\">\n<title>" + formats::html_escaped(title) +
      "</title>\n<link rel=\"icon\" href=\"data:,\">\n";
  page += "<style>\n" + embedded_text("page.css") + "</style>\n</head>\n<body data-live=\"" +
          formats::html_escaped(live) + "\">\n";
  page += embedded_text("page.html");
  page += "<script type=\"application/json\" id=\"data\">" + script_safe(data) + "</script>\n";
  for (const char* name : {"chart.min.js", "charts.js", "tables.js", "pictures.js", "learning.js",
                           "details.js", "compare.js", "main.js"}) {
    page += "<script>\n" + embedded_text(name) + "</script>\n";
  }
  return page + "</body>\n</html>\n";
}

}  // namespace spikeloom::report
