# cmake -DOUTPUT=embedded.cpp -DFILES="a;b" -P SpikeloomEmbed.cmake: the files as arrays in a C++ source that defines
# spikeloom::report::embedded_text. A string literal of their length is not portable.
set(text "#include \"spikeloom/report/page/embedded.h\"\n#include <map>\n#include <string_view>\nnamespace {\n")
set(table "")
set(index 0)
foreach(file ${FILES})
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
  string(REGEX REPLACE "('[^']*','[^']*','[^']*','[^']*','[^']*','[^']*','[^']*','[^']*',)" "\\1\n" bytes "${bytes}")
  get_filename_component(name ${file} NAME)
  string(APPEND text "constexpr char kFile${index}[] = {${bytes}};\n")
  string(APPEND table "    {\"${name}\", {kFile${index}, sizeof kFile${index}}},\n")
  math(EXPR index "${index} + 1")
endforeach()
string(APPEND text "}  // namespace\nstd::string spikeloom::report::embedded_text(const std::string& name) {\n"
  "  static const std::map<std::string, std::string_view> files{\n${table}  };\n"
  "  return std::string(files.at(name));\n}\n")
file(WRITE ${OUTPUT} "${text}")
