# The libraries that the tests of the loader refuse, and a few good ones: README.md beside this lists them.
set(GM_BROKEN
    good good_architecture good_precision good_activation big_entry bad_magic abi_new abi_zero short_entry wrong_kind wrong_id null_id
    wrong_version no_entry null_ops small_table huge_table null_account null_assign null_rule component_name component_count
    null_describe too_many_inputs too_many_outputs null_ports null_port_name param_type null_param_key too_many_params
    undefined_symbol borrowed_entry)

foreach(what IN LISTS GM_BROKEN)
    add_library(broken_${what} MODULE ${CMAKE_CURRENT_LIST_DIR}/broken.c)
    target_compile_definitions(broken_${what} PRIVATE WHAT=${what})
    target_include_directories(broken_${what} PRIVATE ${PROJECT_SOURCE_DIR}/core/include)
    set_target_properties(broken_${what} PROPERTIES PREFIX "" SUFFIX ".so" C_STANDARD 11
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/plugin)
    list(APPEND GM_BROKEN_TARGETS broken_${what})
endforeach()

# Has no entry of its own, but needs a library that has one.
add_dependencies(broken_borrowed_entry broken_good)
target_link_options(broken_borrowed_entry PRIVATE -Wl,--no-as-needed $<TARGET_FILE:broken_good>)
# A module may leave symbols open; a -Wl,-z,defs of the project would refuse this one.
target_link_options(broken_undefined_symbol PRIVATE -Wl,-z,undefs)

# Libraries that do what a parameter says.
foreach(what claims emits)
    add_library(${what} MODULE ${CMAKE_CURRENT_LIST_DIR}/${what}.c)
    target_include_directories(${what} PRIVATE ${PROJECT_SOURCE_DIR}/core/include)
    set_target_properties(${what} PROPERTIES PREFIX "" SUFFIX ".so" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/plugin)
    list(APPEND GM_BROKEN_TARGETS ${what})
endforeach()
