#include <iostream>
#include <malloc.h>
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

/// By default the allocator raises the size from which it maps memory directly with each such block that is freed, and
/// then keeps as much unused memory: one large list would cost its size for ever.
void keep_memory_small() {
  ::mallopt(M_MMAP_THRESHOLD, 1024 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 2 * 1024 * 1024);
  ::mallopt(M_TOP_PAD, 256 * 1024);
  ::mallopt(M_ARENA_MAX, 1);  // one thread does the work
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "check") return app::run_check(argc - 1, argv + 1);
  keep_memory_small();
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
