unit_test(clock clock)
unit_test(windows clock)
unit_test(hook hook)
unit_test(waves fleet)
unit_test(host_fold host)
unit_test(host_table host)
unit_test(host_nova host)
unit_test(recap terminal)

# Scripted hosts on a virtual clock: what the fleet's own tests run on.
add_library(fleet_world STATIC fleet/world.c fleet/world_agent.c fleet/world_facts.c fleet/world_faults.c
	fleet/world_link.c fleet/simulation.c fleet/simulation_draw.c)
target_link_libraries(fleet_world PUBLIC fleet host)
unit_test(fleet fleet_world)
unit_test(fleet_trial fleet_world)
unit_test(fleet_windows fleet_world)
unit_test(fleet_health fleet_world)
unit_test(host_guard fleet_world)
unit_test(fleet_crash fleet_world)
unit_test(fleet_cards fleet_world)
unit_test(fleet_random fleet_world)
unit_test(fleet_schedule fleet_world)
unit_test(lines terminal)

# Rollouts from seeds, disturbed and not: ./dev simulate.
add_executable(simulate_fleets simulate.c)
target_link_libraries(simulate_fleets PRIVATE fleet_world)
