#include <iostream>
#include <string_view>

#include "codeexec/base/log.hpp"
#include "codeexec/kube_client/cluster_config.hpp"

#include "check.hpp"
#include "config_file.hpp"
#include "operator.hpp"
#include "options.hpp"

namespace {

using namespace codeexec;

int refuse(std::string const& why) {
  std::cerr << "codeexec-controller: " << why << '\n';
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "check") return app::run_check(argc - 1, argv + 1);
  auto const parsed = app::parse_options(argc, argv);
  if (auto const* const end = std::get_if<app::early_exit>(&parsed)) {
    (end->code == 0 ? std::cout : std::cerr) << end->text;
    return end->code;
  }
  auto const& options = std::get<app::options>(parsed);
  base::log::configure(options.log_level, options.log_format);

  auto const config = app::read_config(options.config_file);
  if (!config) return refuse(config.error().message);
  auto const cluster = kube::load_config(options.cluster, kube::process_environment());
  if (!cluster) return refuse(cluster.error().message());
  return app::run_operator(options, *config, *cluster);
}
