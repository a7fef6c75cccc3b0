#include "config_file.hpp"

#include "codeexec/base/file.hpp"

namespace codeexec::app {

base::result<execution::config> read_config(std::string const& path) {
  if (path.empty()) return execution::config{};
  auto const text = base::read_file(path);
  if (!text) return text.error();
  auto config = execution::parse_config(*text);
  if (!config) return base::error(path + ": " + config.error().message);
  return config;
}

}  // namespace codeexec::app
