#include <iostream>

#include "codeexec/base/file.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/execution/config.hpp"
#include "codeexec/kube_client/cluster_config.hpp"

#include "operator.hpp"
#include "options.hpp"

namespace {

using namespace codeexec;

base::result<execution::config> read_config(std::string const& path) {
  if (path.empty()) return execution::config{};
  auto const text = base::read_file(path);
  if (!text) return text.error();
  auto config = execution::parse_config(*text);
  if (!config) return base::error(path + ": " + config.error().message);
  return config;
}

int refuse(std::string const& why) {
  std::cerr << "codeexec-controller: " << why << '\n';
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  auto const parsed = app::parse_options(argc, argv);
  if (auto const* const end = std::get_if<app::early_exit>(&parsed)) {
    (end->code == 0 ? std::cout : std::cerr) << end->text;
    return end->code;
  }
  auto const& options = std::get<app::options>(parsed);
  base::log::configure(options.log_level, options.log_format);

  auto const config = read_config(options.config_file);
  if (!config) return refuse(config.error().message);
  auto const cluster = kube::load_config(options.cluster, kube::process_environment());
  if (!cluster) return refuse(cluster.error().message());
  return app::run_operator(options, *config, *cluster);
}
