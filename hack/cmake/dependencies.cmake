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
find_package(mimalloc 2.0 REQUIRED)
if(CODEEXEC_BUILD_TESTS)
  find_package(GTest 1.12 REQUIRED)
  include(GoogleTest)
endif()

# Its own package file wants libcurl and civetweb, for parts that we do not use.
find_path(CODEEXEC_PROMETHEUS_INCLUDE prometheus/text_serializer.h REQUIRED)
find_library(CODEEXEC_PROMETHEUS_CORE prometheus-cpp-core REQUIRED)
add_library(codeexec_prometheus INTERFACE)
target_include_directories(codeexec_prometheus SYSTEM INTERFACE ${CODEEXEC_PROMETHEUS_INCLUDE})
target_link_libraries(codeexec_prometheus INTERFACE ${CODEEXEC_PROMETHEUS_CORE})

# yaml-cpp 0.7's package exports a plain target name without include directories of its own.
add_library(codeexec_yaml INTERFACE)
target_link_libraries(codeexec_yaml INTERFACE yaml-cpp)
