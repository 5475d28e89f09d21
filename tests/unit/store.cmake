unit_test(error wire)
unit_test(store store)
unit_test(json_share store)
