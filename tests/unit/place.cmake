unit_test(place place)
