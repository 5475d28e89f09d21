unit_test(nodeset inventory)
unit_test(json_source inventory)
unit_test(inventory inventory)
unit_test(nova_release inventory)
unit_test(playbook playbooks)

# The published schemas must take what the readers take, and refuse what a schema can refuse.
find_package(Python3 COMPONENTS Interpreter)
if(Python3_FOUND)
	add_test(NAME unit.schemas COMMAND ${Python3_EXECUTABLE}
		${CMAKE_CURRENT_SOURCE_DIR}/test_schemas.py ${CMAKE_SOURCE_DIR})
	set_tests_properties(unit.schemas PROPERTIES TIMEOUT 120 SKIP_RETURN_CODE 77 LABELS unit)
endif()
