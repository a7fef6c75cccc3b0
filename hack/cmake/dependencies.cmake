# Everything comes from Debian 12's own packages; hack/install-deps installs them.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(yaml-cpp 0.7 REQUIRED)
find_package(spdlog 1.10 REQUIRED)
find_package(simdjson 3.0 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
if(CODEEXEC_BUILD_TESTS)
  find_package(GTest 1.12 REQUIRED)
  include(GoogleTest)
endif()

# yaml-cpp 0.7's package exports a plain target name without include directories of its own.
add_library(codeexec_yaml INTERFACE)
target_link_libraries(codeexec_yaml INTERFACE yaml-cpp)
