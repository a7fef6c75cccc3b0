# Asio and Beast are header libraries of a quarter of a million lines. Compiled once here (their separate-compilation
# mode), and their headers parsed once (a precompiled header that all Asio layers share).
add_library(codeexec_asio STATIC ${CMAKE_CURRENT_LIST_DIR}/asio_impl.cpp)
target_compile_features(codeexec_asio PUBLIC cxx_std_20)
target_compile_definitions(codeexec_asio PUBLIC
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_DISABLE_BOOST_ARRAY)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(codeexec_asio PUBLIC -fcoroutines)
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # clang 14 with libstdc++ 12: coroutines live in <coroutine>, which Asio 1.26 does not look for there by itself.
  target_compile_definitions(codeexec_asio PUBLIC BOOST_ASIO_HAS_CO_AWAIT BOOST_ASIO_HAS_STD_COROUTINE)
endif()
target_link_libraries(codeexec_asio PUBLIC Boost::headers OpenSSL::SSL OpenSSL::Crypto Threads::Threads)

# Precompiled headers, each parsed once for all targets of a kind: third-party and standard headers only, which do not
# change while one works. They make nothing visible that the target's own dependencies do not allow, since a target takes
# the one of its kind; the lint builds without any, so that a missing include does not hide.
function(codeexec_make_pch kind)
  if(CODEEXEC_PCH)
    add_library(codeexec_${kind}_pch STATIC ${PROJECT_SOURCE_DIR}/hack/cmake/pch/empty.cpp)
    target_link_libraries(codeexec_${kind}_pch PRIVATE ${ARGN} codeexec_project_options)
    target_precompile_headers(codeexec_${kind}_pch PRIVATE ${PROJECT_SOURCE_DIR}/hack/cmake/pch/${kind}.hpp)
  endif()
endfunction()

function(codeexec_use_pch target kind)
  if(CODEEXEC_PCH)
    # The compiler takes a precompiled header only with the very code model it was made with; CMake would compile a
    # program with -fPIE and a library with -fPIC.
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "EXECUTABLE")
      set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
      target_compile_options(${target} PRIVATE -fPIC)
    endif()
    target_precompile_headers(${target} REUSE_FROM codeexec_${kind}_pch)
  endif()
endfunction()

# json: pure layers. asio: those that do I/O. test and asio_test: GoogleTest besides.
codeexec_make_pch(json nlohmann_json::nlohmann_json)
codeexec_make_pch(asio codeexec_asio nlohmann_json::nlohmann_json)
if(CODEEXEC_BUILD_TESTS)
  codeexec_make_pch(test nlohmann_json::nlohmann_json GTest::gmock GTest::gtest)
  codeexec_make_pch(asio_test codeexec_asio nlohmann_json::nlohmann_json GTest::gmock GTest::gtest)
endif()

function(codeexec_use_asio_pch target)
  target_link_libraries(${target} PRIVATE codeexec_asio nlohmann_json::nlohmann_json)
  codeexec_use_pch(${target} asio)
endfunction()
