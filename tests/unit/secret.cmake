unit_test(become secret)
unit_test(secret secret)
